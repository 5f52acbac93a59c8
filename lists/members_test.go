package lists

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"listd/mail"
)

func row(t testing.TB, line int, address, name string, mode Mode, roles Roles) Row {
	t.Helper()
	return Row{Address: address1(t, address), Name: name, Mode: mode, Roles: roles, Line: line}
}

func TestReadMembers(t *testing.T) {
	t.Parallel()
	ana := row(t, 1, "ana@example.org", "", Each, Subscriber)
	for _, c := range []struct {
		name, in string
		want     []Row
		bad      []string // beginnings of the errors
	}{
		{name: "empty"},
		{name: "bare", in: "ana@example.org", want: []Row{ana}},
		{name: "mark, CRLF, comments", in: "\ufeff# members\r\n\r\nana@example.org\r\n  # end\r\n",
			want: []Row{row(t, 3, "ana@example.org", "", Each, Subscriber)}},
		{name: "names", in: "Ana Li <ana@example.org>\n\"Li, Ben\" <ben@example.org>\n=?utf-8?q?Ren=C3=A9?= <r@example.org>\n",
			want: []Row{row(t, 1, "ana@example.org", "Ana Li", Each, Subscriber), row(t, 2, "ben@example.org", "Li, Ben", Each, Subscriber),
				row(t, 3, "r@example.org", "René", Each, Subscriber)}},
		{name: "CSV without a header", in: "ana@example.org,Ana Li,none,owner\nben@example.org,\"Ben \"\"B\"\" Li, jr\",,\n",
			want: []Row{row(t, 1, "ana@example.org", "Ana Li", None, Owner|Subscriber), row(t, 2, "ben@example.org", "Ben \"B\" Li, jr", Each, Subscriber)}},
		{name: "header in another order", in: "Role,Name,E-Mail\nmoderator,Ana,ana@example.org\n,,Ben <ben@example.org>\n",
			want: []Row{row(t, 2, "ana@example.org", "Ana", Each, Moderator|Subscriber), row(t, 3, "ben@example.org", "Ben", Each, Subscriber)}},
		{name: "semicolons", in: "address;mode\nana@example.org;NONE\n", want: []Row{row(t, 2, "ana@example.org", "", None, Subscriber)}},
		{name: "tabs", in: "name\taddress\n\tana@example.org\n", want: []Row{row(t, 2, "ana@example.org", "", Each, Subscriber)}},
		{name: "governs only", in: "ana@example.org,,-,owner+moderator\nben@example.org,,-,member\n",
			want: []Row{row(t, 1, "ana@example.org", "", "", Owner|Moderator)}, bad: []string{`line 2: the mode "-"`}},
		{name: "twice", in: "ana@example.org\nANA@example.org\nana@example.org,Ana\n", want: []Row{ana},
			bad: []string{"line 3: ana@example.org stands in line 1"}},
		{name: "bad lines", in: "nobody\nana@example.org,,sometimes\na@b, c@d\nana@example.org,,,king\nana@example.org,a,each,member,x\n\"ana@example.org\n\xff@example.org\nAna <a@b>, Ben <c@d>\nana@example.org,a\u202eb\n",
			bad: []string{"line 1: \"nobody\"", "line 2: \"sometimes\"", "line 3: there is more", "line 4: \"king\"", "line 5: 5 cells", "line 6: ", "line 7: this is not UTF-8",
				"line 8: there is more", "line 9: the name"}},
		{name: "bad header", in: "address,status,name,name\nana@example.org\n,x\n", want: []Row{row(t, 2, "ana@example.org", "", Each, Subscriber)},
			bad: []string{`line 1: the column "status" is unknown`, "line 1: the column \"name\" stands twice", "line 3: the address is missing"}},
		{name: "long line", in: strings.Repeat("x", maxLine+10) + "\nana@example.org\n", want: []Row{row(t, 2, "ana@example.org", "", Each, Subscriber)},
			bad: []string{"line 1: the line is longer"}},
	} {
		got, bad := ReadMembers(strings.NewReader(c.in), Each)
		if len(got) != len(c.want) || len(got) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if len(bad) != len(c.bad) {
			t.Errorf("%s: errors %v, want %q", c.name, bad, c.bad)
			continue
		}
		for i, e := range bad {
			if !strings.HasPrefix(e.Error(), c.bad[i]) {
				t.Errorf("%s: %v, want %s", c.name, e, c.bad[i])
			}
		}
	}
}

func TestReadMembersFails(t *testing.T) {
	t.Parallel()
	_, bad := ReadMembers(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("ana@example.org\n"))), Each)
	if len(bad) == 0 || !strings.Contains(bad[len(bad)-1].Reason, "timeout") {
		t.Errorf("got %v", bad)
	}
	_, bad = ReadMembers(strings.NewReader(strings.Repeat("x\n", maxLineErrors+5)), Each)
	if len(bad) != maxLineErrors {
		t.Errorf("%d errors", len(bad))
	}
}

func TestWriteMembers(t *testing.T) {
	t.Parallel()
	rows := []Row{
		row(t, 2, "ana@example.org", "Ana Li", Each, Subscriber), row(t, 3, "ben@example.org", "Li, \"Ben\"", None, Owner|Subscriber),
		row(t, 4, `"a,b"@example.org`, "#1", Announcements, Moderator|Owner|Subscriber), row(t, 5, "c@example.org", "", "", Moderator),
		row(t, 6, "Émile@example.org", "Émile", Each, Subscriber),
	}
	var b bytes.Buffer
	if err := WriteMembers(&b, rows); err != nil {
		t.Fatal(err)
	}
	got, bad := ReadMembers(&b, None)
	if len(bad) > 0 || !reflect.DeepEqual(got, rows) {
		t.Errorf("%v %v", got, bad)
	}
}

func TestReadMembersIsFast(t *testing.T) {
	t.Parallel()
	start := time.Now()
	rows, bad := ReadMembers(bytes.NewReader(manyMembers()), Each)
	if len(rows) != 10000 || len(bad) > 0 {
		t.Fatal(len(rows), bad)
	}
	// Race detector and busy machines have room; what is quadratic has not.
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("10,000 members took %v", d)
	}
}

func manyMembers() []byte {
	var b bytes.Buffer
	b.WriteString("address,name,mode,role\n")
	for i := range 10000 {
		fmt.Fprintf(&b, "member%d@example.org,\"Member %d\",each,member\n", i, i)
	}
	return b.Bytes()
}

func BenchmarkReadMembers(b *testing.B) {
	in := manyMembers()
	for b.Loop() {
		ReadMembers(bytes.NewReader(in), Each)
	}
}

func FuzzReadMembers(f *testing.F) {
	f.Add([]byte("address,name,mode,role\nana@example.org,\"Ana, Li\",each,owner\n"))
	f.Add([]byte("\ufeffAna <ana@example.org>\r\n# x\r\nben@example.org\r\n"))
	f.Add([]byte("name;address\n\"a\"\"b\";c@example.org"))
	f.Fuzz(func(t *testing.T, in []byte) {
		rows, _ := ReadMembers(bytes.NewReader(in), Each)
		var b bytes.Buffer
		if err := WriteMembers(&b, rows); err != nil {
			t.Fatal(err)
		}
		again, bad := ReadMembers(&b, None)
		if len(bad) > 0 || len(again) != len(rows) {
			t.Fatalf("%q: %v", b.Bytes(), bad)
		}
		for i, r := range again {
			if r.Line = rows[i].Line; r != rows[i] {
				t.Fatalf("%+v is not %+v", r, rows[i])
			}
		}
	})
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	m := func(head, body string) mail.Message { return mail.Message{Head: []byte(head), Body: []byte(body)} }
	a := Fingerprint(m("Message-ID: <1@x>\r\nSubject: a\r\n", "b\r\n"))
	if Fingerprint(m("Received: y\r\nX-Trace: 1\r\nSubject: other\r\nMessage-Id:\r\n <1@x>\r\n", "b\r\n")) != a {
		t.Error("the same post over another way is another")
	}
	if Fingerprint(m("Message-ID: <2@x>\r\nSubject: a\r\n", "b\r\n")) == a || Fingerprint(m("Message-ID: <1@x>\r\n", "c\r\n")) == a {
		t.Error("another post is the same")
	}
	b := Fingerprint(m("From: a@x\r\nSubject: a b\r\n", "b\r\n"))
	if Fingerprint(m("Return-Path: <z@x>\r\nReceived: z\r\nARC-Seal: x\r\nX-Spam: no\r\nDelivered-To: q\r\nFrom: a@x\r\nsubject: a\r\n b\r\n", "b\r\n")) != b {
		t.Error("without Message-ID: the same post over another way is another")
	}
	if Fingerprint(m("From: a@x\r\nSubject: c\r\n", "b\r\n")) == b {
		t.Error("without Message-ID: another post is the same")
	}
}

func TestExcluded(t *testing.T) {
	t.Parallel()
	l := pyug(t, nil)
	env := mail.Envelope{To: []mail.Rcpt{{Address: l.Post()}, {Address: address1(t, "other@lists.example.org")}}}
	ana := address1(t, "ana@example.org")
	for head, want := range map[string]string{
		"To: pyug@lists.example.org\r\n": "",
		"To: Ben <Ben@Example.org>, pyug@lists.example.org\r\nCc: g: c@example.org;, ben@example.org, ANA@example.org, other@lists.example.org\r\n": "ben@example.org c@example.org",
		"To: ben@example.org\r\nResent-From: x@example.org\r\nResent-To: d@example.org\r\n":                                                         "d@example.org",
	} {
		if got := strings.Join(Excluded(l, []byte(head), env, ana), " "); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "m%d@example.org, ", i)
	}
	if n := len(Excluded(l, []byte("To: "+many.String()+"\r\n"), env, ana)); n != maxExcluded {
		t.Errorf("%d", n)
	}
}
