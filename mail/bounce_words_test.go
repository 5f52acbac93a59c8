package mail_test

import (
	"strings"
	"testing"

	"listd/mail"
)

// refusals are what servers say, each with its class.
const refusals = `
no_user: 550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos
no_user: 550 5.2.1 The email account that you tried to reach is inactive. Learn more at https://support.example/mail/?p=DisabledUser
no_user: 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)
no_user: 554 delivery error: dd This user doesn't have a provider.example account (bob@provider.example) [0] - mta1
no_user: 554 30 Sorry, your message to bob@provider.example cannot be delivered. This mailbox is disabled (554.30)
no_user: 550 5.1.1 <bob@example.org>: Recipient address rejected: provider.example
no_user: 550-Requested action not taken: mailbox unavailable
no_user: 550 #5.1.0 Address rejected bob@example.org unknown recipient
no_user: 550 Invalid Recipient - https://community.mimecast.example/docs/DOC-1369#550
no_user: 550 5.1.1 unknown or illegal alias: bob@example.org
no_user: 550 No such user (bob@example.org) -ERR bob@example.org not found
no_user: 550 5.7.1 No such user!; 1715-abc
no_user: 550 Unrouteable address
no_user: 551 5.1.6 The recipient has moved, please try carl@example.org
no_user: 550 bob@example.org: user is not local
no_user: 553 sorry, that domain isn't allowed to be relayed thru this MTA; no such user here
no_user: 550 5.1.1 Account suspended
no_user: 554 5.7.1 This email account has been suspended; the user account is locked
no_user: 450 4.1.1 <bob@example.org>: Recipient address rejected: unverified address: host mx said: 550 User unknown
no_user: 550 5.1.1 sorry, no mailbox here by that name (#5.1.1 - chkusr)
no_user: 511 sorry, no mailbox here by that name (#5.1.1 - chkuser)
no_user: 550 Addresses failed: bob@example.org: invalid address
no_user: 5.1.0 - Unknown address error 550-'Unknown user'
no_user: 550 RCPT TO:<bob@example.org> User unknown
no_user: 501 5.1.3 Bad recipient address syntax
no_user: smtp; 550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found
no_user: 550 Mailbox not found or access denied
no_user: 550 User not found: bob@example.org
no_user: 550 Utilisateur inconnu
no_user: 550 Adresse d'au moins un destinataire invalide. Invalid recipient. OFR_416 [416]
no_user: 550 Empfaenger unbekannt / recipient unknown
no_user: 550 Mail is rejected by recipients: user does not exist
no_user: 550 User suspended
no_user: 550 The mail you sent was rejected because the account is dormant
no_user: 550 is not a valid mailbox
no_host: 550 5.1.2 <bob@nosuch.example>: Recipient address rejected: Domain not found
no_host: Host or domain name not found. Name service error for name=nosuch.example type=MX: Host not found
no_host: 550 5.4.4 Invalid domain name
no_host: 550 Host unknown
no_host: 5.1.2 - Bad destination host 'DNS Hard Error looking up nosuch.example (MX): NXDomain'
no_host: 556 5.1.10 Domain does not accept mail (null MX)
no_host: Domain nosuch.example does not accept mail (nullMX)
no_host: DNS Error: 1715 DNS type 'mx' lookup of nosuch.example responded with code NXDOMAIN Domain name not found: nosuch.example
no_host: 554 5.4.4 SMTPSEND.DNS.NonExistentDomain; nonexistent domain
no_host: Illegal host/domain name found
no_host: unrouteable mail domain "nosuch.example"
full: 552 5.2.2 The email account that you tried to reach is over quota and inactive
full: 452 4.2.2 Mailbox full
full: 552-5.2.2 The recipient's inbox is out of storage space and inactive
full: 452-4.2.2 The recipient's inbox is out of storage space.
full: 554 5.2.2 mailbox full; 0.0.0.0 STOREDRV
full: 550 Requested mail action aborted: exceeded storage allocation
full: 552 Mailbox limit exceeded for this email address
full: 550 User bob@example.org is over the quota
full: 422 The recipient's mailbox is over its storage limit
full: 450 4.2.2 <bob@example.org>: user is overquota
full: 552 RCPT TO:<bob@example.org> Mailbox disk quota exceeded
full: 554 bob@example.org: mailbox over limit, cannot accept
full: 550 5.7.1 bob@example.org's mailbox is full (mailbox size: 1000)
full: 552 Message would exceed quota for <bob@example.org>
full: maildrop: maildir over quota.
full: 552 5.2.2 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]
full: 550-Mailbox is full / Blocks limit exceeded / Inode limit exceeded
policy: 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.spamcop.net; Blocked
policy: 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140)
policy: 421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1
policy: 421 RP-001 The mail server IP connecting to provider.example server has exceeded the rate limit allowed
policy: 554 IB103 192.0.2.1 Connection refused. 192.0.2.1 has a poor reputation on Cloudmark Sender Intelligence
policy: 550 5.7.1 Recipient not authorized, your IP has been found on a block list
policy: 550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)
policy: 450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]
policy: 550-5.7.25 The IP address sending this message does not have a PTR record setup
policy: 421-4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address
policy: 450 4.7.1 Greylisted, try again in 300 seconds
policy: 452 4.5.3 Too many recipients
policy: 550 5.7.1 Your email was rejected because the sending mail server does not identify itself correctly
policy: 554 5.7.1 <dev@lists.example.net>: Sender address rejected: Access denied
policy: 550 5.1.8 Sender address rejected: Domain not found
policy: 550 Administrative prohibition
policy: 550 5.7.1 Message rejected due to local policy
policy: 554 Blocked - see https://support.proofpoint.example/dnsbl-lookup.cgi?ip=192.0.2.1
policy: 550 5.7.124 You do not have permission to send to this group
policy: 550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy
policy: 554 5.4.6 Your host is listed in our DNSBL
policy: 550 Sender verify failed
policy: 554 5.7.1 Rejected by header based blocklist
spam: 550-5.7.1 Our system has detected that this message is likely suspicious... likely unsolicited mail
spam: 550 High probability of spam
spam: 554 5.7.1 Message rejected as spam by Content Filtering.
spam: 550 5.7.1 Message contains spam or virus; spam score 12.1
spam: 554 rejected due to spam content
spam: 554 5.7.1 [P4] Message blocked due to spam content in the message.
spam: 550 This message was classified as SPAM and may not be delivered
spam: 571 5.7.1 Message contains spam. Spam message rejected
spam: 550 permanent failure for one or more recipients (bob@example.org:blocked) - spam: yes
spam: 554 Transaction failed : Cannot send message due to possible spam
spam: 554 5.7.1 The message from (<ann@example.net>) with the subject of (x) matches a profile the Internet community may consider spam.
spam: 550 5.7.350 Remote server returned message detected as spam -> 554 rejected
spam: 550 Blocked by our bulk email filter
auth: 550-5.7.26 This mail has been blocked because the sender is unauthenticated. Provider requires all senders to authenticate with either SPF or DKIM.
auth: 550 5.7.1 Email rejected per DMARC policy for example.net
auth: 550 5.7.23 The message was rejected because of Sender Policy Framework violation
auth: 550 5.7.1 SPF unauthorized mail is prohibited.
auth: 554 5.7.5 Permanent Error Evaluating DMARC policy
auth: 550 5.7.515 Access denied, sending domain example.net doesn't meet the required authentication level
auth: 554 DMARC validation failed
auth: 550 5.7.20 No DKIM signature passed
auth: 530 5.7.0 Authentication required
auth: 535 5.7.8 Username and Password not accepted
auth: 550 Message rejected: SPF Fail
content: 552 5.7.0 This message was blocked because its content presents a potential security issue
content: 550 5.7.1 virus detected: Eicar-Test-Signature
content: 554 5.6.0 Message contains NUL characters
content: 554 5.6.1 Eight bit data not permitted
content: 550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds
content: 550 Banned attachment type (.exe)
content: 553 5.6.7 SMTPUTF8 is required, but was not offered by host
content: 550-5.7.1 Messages missing a valid address in From: header, or having no From: header, are not accepted
size: 552 5.3.4 Message size exceeds fixed maximum message size
size: 552-5.3.4 Your message exceeded Provider's message size limits
size: 550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient
size: 552 Message too large
size: 552 size limit exceeded
size: 523 the message's size exceeds the recipient's size limit
size: 554 5.3.4 Error: message file too big
relay: 550 5.7.1 Unable to relay for bob@example.org
relay: 554 5.7.1 <bob@example.org>: Relay access denied
relay: 550 relay not permitted
relay: 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
relay: 550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain
relay: 551 we do not relay
relay: 550 5.7.64 TenantAttribution; Relay Access Denied
network: connect to mx.example.org[192.0.2.9]:25: Connection refused
network: connect to mx.example.org[192.0.2.9]:25: No route to host
network: lost connection with mx.example.org[192.0.2.9] while sending RCPT TO
network: 554 5.4.6 Too many hops
network: 550 4.4.7 QUEUE.Expired; message expired
network: 451 4.3.0 Temporary lookup failure
network: 452 4.3.1 Insufficient system resources
network: 421 4.3.2 Service not available, closing transmission channel
network: mail for example.org loops back to myself
network: retry timeout exceeded
network: all hosts for 'example.org' have been failing for a long time
network: 554 5.4.7 [internal] exceeded max time without delivery
network: delivery temporarily suspended: conversation with mx.example.org timed out while receiving the initial server greeting
network: 451 4.4.0 DNS query failed
network: 432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded
unknown: 550 Requested action not taken
unknown: 554 5.0.0 Transaction failed
unknown: 550 Rejected by mail system
`

func TestClassifyWords(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(refusals) {
		want, text, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if _, got := mail.Classify(0, "", text); got.String() != want {
			t.Errorf("%v, want %s: %s", got, want, text)
		}
	}
}
