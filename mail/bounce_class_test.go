package mail_test

import (
	"testing"

	"listd/mail"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code      int
		enhanced  string
		text      string
		permanent bool
		class     mail.Class
	}{
		// Codes alone.
		{550, "5.1.1", "", true, mail.NoUser},
		{550, "5.1.2", "", true, mail.NoHost},
		{550, "5.1.6", "", true, mail.NoUser},
		{550, "5.1.8", "", true, mail.Policy},
		{556, "5.1.10", "", true, mail.NoHost},
		{550, "5.2.1", "", true, mail.NoUser},
		{552, "5.2.2", "", true, mail.Full},
		{452, "4.2.2", "", false, mail.Full},
		{552, "5.2.3", "", true, mail.Size},
		{552, "5.3.4", "", true, mail.Size},
		{452, "4.3.1", "", false, mail.Network},
		{0, "4.4.1", "", false, mail.Network},
		{0, "5.4.4", "", true, mail.NoHost},
		{0, "5.4.6", "", true, mail.Network},
		{0, "4.4.7", "", false, mail.Network},
		{550, "5.6.9", "", true, mail.Content},
		{550, "5.7.1", "", true, mail.Policy},
		{550, "5.7.8", "", true, mail.Auth},
		{550, "5.7.17", "", true, mail.NoUser},
		{550, "5.7.18", "", true, mail.NoHost},
		{550, "5.7.23", "", true, mail.Auth},
		{550, "5.7.25", "", true, mail.Policy},
		{550, "5.7.26", "", true, mail.Auth},
		{550, "5.7.28", "", true, mail.Policy},
		{550, "5.7.29", "", true, mail.Auth},
		{550, "5.0.0", "", true, mail.Unknown},
		{550, "", "", true, mail.Unknown},
		{552, "", "", true, mail.Full},
		{553, "", "", true, mail.NoUser},
		{535, "", "", true, mail.Auth},
		{421, "", "", false, mail.Network},
		{451, "", "", false, mail.Unknown},

		// Words where codes say nothing.
		{550, "", "No such user here", true, mail.NoUser},
		{550, "5.0.0", "bob@example.org mailbox is full", true, mail.Full},
		{550, "5.1.0", "Address rejected", true, mail.Unknown},
		{554, "5.7.1", "<bob@example.org>: Relay access denied", true, mail.Relay},
		{554, "5.7.1", "<bob@example.org>: Recipient address rejected: User unknown in local recipient table", true, mail.NoUser},
		{554, "5.7.1", "Message rejected as spam by Content Filtering.", true, mail.Spam},
		{554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", true, mail.Policy},
		{550, "5.7.1", "SPF check failed", true, mail.Auth},
		{554, "5.7.1", "virus found: Eicar", true, mail.Content},
		{451, "4.7.1", "Greylisting in action, please come back later", false, mail.Policy},
		{450, "", "<bob@example.org>: Recipient address rejected: Domain not found", false, mail.NoHost},
		{0, "", "Connection timed out", false, mail.Network},
		{0, "", "mailbox over quota", false, mail.Full},
		{0, "", "user unknown", true, mail.NoUser},
		{0, "", "user unknown, please try again later", false, mail.NoUser},
		{0, "", "said: 550 5.1.1 whatever", true, mail.NoUser},
		{0, "", "said: 452-4.2.2 whatever", false, mail.Full},

		// Words that no code overrules.
		{550, "5.1.1", "rejected: message looks like spam", true, mail.Spam},
		{550, "5.4.1", "Recipient address rejected: Access denied. AS(201806281) [x.outlook.example]", true, mail.NoUser},
		{550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", true, mail.NoUser},
		{550, "5.2.0", "STOREDRV.Deliver.Exception:QuotaExceededException; Failed to process message", true, mail.Full},

		// Words that do not overrule an exact code.
		{550, "5.1.1", "access denied", true, mail.NoUser},
		{550, "5.2.2", "unknown", true, mail.Full},

		// Names in addresses are no words, sizes no codes.
		{0, "", "550 spam@user-unknown.example", true, mail.Unknown},
		{0, "", "message exceeds 550 KB", true, mail.Size},
		{0, "", "host 5.5.5.5 said no", true, mail.Unknown},
	} {
		permanent, class := mail.Classify(c.code, c.enhanced, c.text)
		if permanent != c.permanent || class != c.class {
			t.Errorf("Classify(%d, %q, %q) = %v, %v, want %v, %v", c.code, c.enhanced, c.text, permanent, class, c.permanent, c.class)
		}
	}
}
