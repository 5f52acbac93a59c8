package lists

import (
	"reflect"
	"strings"
	"testing"

	"listd/mail"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	for local, want := range map[string][]Target{
		"pyug":                         {{"pyug", ToPost, ""}},
		"PyUG":                         {{"pyug", ToPost, ""}},
		"pyug-request":                 {{"pyug-request", ToPost, ""}, {"pyug", ToRequest, ""}},
		"pyug-join":                    {{"pyug-join", ToPost, ""}, {"pyug", ToJoin, ""}},
		"pyug-subscribe":               {{"pyug-subscribe", ToPost, ""}, {"pyug", ToJoin, ""}},
		"pyug-leave":                   {{"pyug-leave", ToPost, ""}, {"pyug", ToLeave, ""}},
		"Pyug-UNSUBSCRIBE":             {{"pyug-unsubscribe", ToPost, ""}, {"pyug", ToLeave, ""}},
		"pyug-help":                    {{"pyug-help", ToPost, ""}, {"pyug", ToHelp, ""}},
		"pyug-info":                    {{"pyug-info", ToPost, ""}, {"pyug", ToInfo, ""}},
		"pyug-owner":                   {{"pyug-owner", ToPost, ""}, {"pyug", ToOwner, ""}},
		"pyug-bounces":                 {{"pyug-bounces", ToPost, ""}, {"pyug", ToBounces, ""}},
		"pyug-bounces+K3X":             {{"pyug", ToBounces, "k3x"}},
		"pyug-confirm+ab2":             {{"pyug", ToConfirm, "ab2"}},
		"pyug-confirm":                 {{"pyug-confirm", ToPost, ""}},
		"pyug-confirm+":                nil,
		"pyug-moderate+ab2":            {{"pyug", ToModerate, "ab2"}},
		"pyug-leave+ab2":               {{"pyug", ToLeave, "ab2"}},
		"pyug-join+ab2":                nil,
		"python-announce":              {{"python-announce", ToPost, ""}, {"python", ToAnnounce, ""}},
		"pyug+subscribe":               {{"pyug", ToJoin, ""}},
		"pyug+Unsubscribe":             {{"pyug", ToLeave, ""}},
		"pyug+other":                   nil,
		"pyug-subscribe-Ana=b.c":       {{"pyug", ToJoin, "Ana@b.c"}},
		"pyug-subscribe-a+b=b.c":       {{"pyug", ToJoin, "a+b@b.c"}},
		"pyug-subscribe-a=b=b.c":       {{"pyug", ToJoin, "a=b@b.c"}},
		"a-b-leave-help":               {{"a-b-leave-help", ToPost, ""}, {"a-b-leave", ToHelp, ""}},
		"x-subscribe-subscribe":        {{"x-subscribe-subscribe", ToPost, ""}, {"x-subscribe", ToJoin, ""}},
		"-request":                     nil,
		"":                             nil,
		"ä":                            nil,
		"pyug.":                        nil,
		"a..b":                         nil,
		strings.Repeat("a", 400):       nil,
		"pyug-bounces+a!":              nil,
		"pyug-subscribe-=b":            nil,
		"pyug-subscribe-a=":            {},
		"pyug-subscribe-subscribe-a=b": {{"pyug-subscribe", ToJoin, "a@b"}, {"pyug", ToJoin, "subscribe-a@b"}},
	} {
		got := Routes(local)
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("Routes(%q) = %v, want %v", local, got, want)
		}
	}
}

func FuzzRoutes(f *testing.F) {
	for _, s := range []string{"pyug", "pyug-bounces+k3x", "pyug-subscribe-user=host", "a+subscribe", "İ-subscribe-a=b", "x-y-announce"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, local string) {
		last := len(local) * 4
		for _, r := range Routes(local) {
			if !validName(r.List) || len(r.List) > last {
				t.Fatalf("Routes(%q) has %v after a name of %d", local, r, last)
			}
			last = len(r.List)
			if r.Kind.String() == "unknown" {
				t.Fatal(r)
			}
		}
	})
}

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for local, want := range map[string]string{
		"pyug": "", "py.ug_2-x": "", "a": "", "python-announce": "", strings.Repeat("a", 32): "", "python-help": "",
		strings.Repeat("a", 33): "at most 32", "": "name@domain", "PyUG": "a-z", "py ug": "a-z", "py+ug": "a-z", ".a": "a-z", "a.": "a-z",
		"a..b": "a-z", "-a": "a-z", "ü": "a-z", "x-request": "-request", "x-owner": "-owner", "x-bounces": "-bounces", "x-confirm": "-confirm",
		"x-moderate": "-moderate", "x-join": "-join", "x-leave": "-leave", "x-subscribe": "-subscribe", "x-unsubscribe": "command address",
		"postmaster": "site", "abuse": "site", "listd": "site",
	} {
		err := CheckAddress(mail.Address{Local: local, Domain: "example.org"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("CheckAddress(%q) = %v, want %q", local, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	l := pyug(t, nil)
	for want, got := range map[string]mail.Address{
		"pyug": l.Post(), "pyug-owner": l.Owner(), "pyug-request": l.Request(), "pyug-bounces": l.Bounces(), "pyug-leave": l.Leave(),
		"pyug-join": l.Join(), "pyug-help": l.Help(), "pyug-announce": l.Announce(), "pyug-confirm+t": l.Confirm("t"), "pyug-moderate+t": l.Moderate("t"),
	} {
		if got.String() != want+"@lists.example.org" {
			t.Errorf("got %s, want %s", got, want)
		}
		r := Routes(got.Local)
		if len(r) == 0 || r[len(r)-1].List != "pyug" {
			t.Errorf("%s does not come back: %v", got, r)
		}
	}
}
