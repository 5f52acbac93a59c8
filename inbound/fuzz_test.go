package inbound

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"listd/lists"
	"listd/mail"
)

// whole are questions whose answer is 0 as long as nothing is half done.
var whole = map[string]string{
	"a post without an outgoing": `SELECT COUNT(*) FROM posts p WHERE NOT EXISTS (SELECT 1 FROM outgoing o WHERE o.list_id = p.list_id AND o.seq = p.seq)`,
	"an outgoing of no post":     `SELECT COUNT(*) FROM outgoing o WHERE seq > 0 AND NOT EXISTS (SELECT 1 FROM posts p WHERE o.list_id = p.list_id AND o.seq = p.seq)`,
	"numbers that are no posts":  `SELECT COUNT(*) FROM lists l WHERE last_seq <> (SELECT COUNT(*) FROM posts p WHERE p.list_id = l.id)`,
	"posts without an intake":    `SELECT (SELECT COUNT(*) FROM posts) - (SELECT COUNT(*) FROM intake WHERE outcome = 'posted')`,
	"held without an intake":     `SELECT (SELECT COUNT(*) FROM held) - (SELECT COUNT(*) FROM intake WHERE outcome = 'held')`,
	"an outgoing to nobody":      `SELECT COUNT(*) FROM outgoing o WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.outgoing_id = o.id)`,
	"a message for nothing": `SELECT COUNT(*) FROM messages m WHERE NOT EXISTS (SELECT 1 FROM posts WHERE message_id = m.id)
		AND NOT EXISTS (SELECT 1 FROM held WHERE message_id = m.id) AND NOT EXISTS (SELECT 1 FROM outgoing WHERE message_id = m.id)`,
}

// texts are the columns that hold what strangers wrote. PostgreSQL takes neither NUL nor what is no UTF-8.
const texts = `SELECT msgid || subject || author FROM posts UNION ALL SELECT msgid || sender FROM intake
	UNION ALL SELECT sender || subject || env_from FROM held UNION ALL SELECT subject FROM outgoing`

// check asks whether all is whole.
func check(t *testing.T, db *sql.DB) {
	t.Helper()
	for what, q := range whole {
		if n := query(t, db, q); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
	rows, err := db.QueryContext(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("a row has the text %q", s)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// FuzzAccept gives the door whatever bytes: it answers each recipient, or refuses with a reply, and leaves nothing half
// done.
func FuzzAccept(f *testing.F) {
	seeds, err := filepath.Glob("../lists/testdata/prepare/*/in.eml")
	if err != nil {
		f.Fatal(err)
	}
	for i, path := range seeds {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(i), "ada@a.test")
	}
	f.Add([]byte(post("ada@a.test", "dev@lists.test", "Fence")), uint8(0), "ada@a.test")
	f.Add([]byte(post("eve@e.test", "all@lists.test", "unsubscribe")), uint8(7), "")
	f.Add([]byte("\r\n"), uint8(3), "eve@e.test")
	f.Add([]byte("From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n--x--"), uint8(15), "eve@e.test")
	h := newHouse(f)
	h.list("dev@lists.test", "subject_prefix=[dev %d]", "footer=Post {seq}", "emergency=no")
	h.list("all@lists.test", "posting=anyone", "require_explicit_destination=no", "from=munge", "anonymous=yes", "footer=Fin", "personalize=none")
	h.list("mod@lists.test", "nonmember_action=hold", "member_action=hold", "reply_to=list")
	for _, l := range []string{"dev@lists.test", "all@lists.test", "mod@lists.test"} {
		h.join(l, "ada@a.test", "tim@c.test")
	}
	db := h.raw()
	clear(f, db)
	f.Fuzz(func(t *testing.T, raw []byte, which uint8, from string) {
		h := h.in(t)
		env := envelope("")
		if a, err := mail.ParseAddress(from); err == nil {
			env.From = a
		}
		for i, to := range []string{"dev@lists.test", "all@lists.test", "mod@lists.test", "dev-owner@lists.test", "dev-bounces@lists.test", "nobody@lists.test", "postmaster@lists.test"} {
			if which>>i&1 == 1 {
				env.To = append(env.To, mail.Rcpt{Address: addr(to)})
			}
		}
		if which&0x80 != 0 {
			env.Peer.Protocol = "LMTP"
		}
		if len(env.To) == 0 {
			env.To = []mail.Rcpt{{Address: addr("all@lists.test")}}
		}
		replies, err := h.door.Accept(t.Context(), env, strings.NewReader(string(raw)))
		var r *mail.Reply
		switch {
		case err == nil && len(replies) != len(env.To):
			t.Errorf("%d replies for %d recipients", len(replies), len(env.To))
		case err != nil && !errors.As(err, &r):
			t.Errorf("Accept: %v", err)
		}
		for _, r := range replies {
			if r.Code/100 != 2 && r.Code/100 != 5 {
				t.Errorf("the reply is %v", &r)
			}
		}
		check(t, db)
		for _, held := range h.held() {
			if _, err := h.door.Settle(t.Context(), held.ID, lists.Action(1+which%4), "why"); err != nil {
				t.Error(err)
			}
		}
		clear(t, db)
	})
}

// clear forgets all mail, so that the next is met as the first.
func clear(t testing.TB, db *sql.DB) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"deliveries", "outgoing", "held", "posts", "intake", "noticed", "messages", "bodies", "tasks"} {
		if _, err := tx.ExecContext(t.Context(), `DELETE FROM `+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.ExecContext(t.Context(), `UPDATE lists SET last_seq = 0`); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
