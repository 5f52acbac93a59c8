package inbound

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// TestCurate: a reply to a draft is obeyed if a person wrote it, whose token is that list's and who governs it still.
func TestCurate(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("ops@lists.test")
		l := h.list("dev@lists.test")
		h.join("dev@lists.test", "ada@a.test", "mod@o.test")
		h.member("dev@lists.test", "mod@o.test", "role=moderator")
		h.accept(envelope("ada@a.test", "dev@lists.test"), post("ada@a.test", "dev@lists.test", "Garden fence"))
		h.sent()
		daily, err := lists.ParseSchedule("daily 18:00 UTC")
		if err != nil {
			t.Fatal(err)
		}
		due := h.clock.Now().Add(4 * time.Hour).Truncate(time.Second).UTC()
		arg, err := json.Marshal(struct {
			List     lists.ID
			Schedule lists.Schedule
			Due      time.Time
		}{l.ID, daily, due})
		if err != nil {
			t.Fatal(err)
		}
		tokens := map[string]string{}
		if err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			for i, who := range []string{"own@own.test", "mod@o.test", "ada@a.test", "gone@o.test"} {
				tokens[who] = lists.RandomToken([13]byte{byte(i + 1)})
				if err := tx.AddConfirmation(store.Confirmation{Hash: lists.HashToken(tokens[who]), List: l.ID, Kind: lists.CurateKind, Address: addr(who),
					Arg: string(arg), Expires: due.Add(time.Hour)}); err != nil {
					return err
				}
			}
			_, err := tx.AddCuration(store.Curation{List: l.ID, Schedule: daily, Due: due, Topics: []lists.Seq{1}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		curation := func() (c store.Curation) {
			h.view(func(tx *store.Tx) (err error) {
				c, err = tx.Curation(l.ID, daily, due)
				return err
			})
			return c
		}
		const changed, unclear = ": dev: the round-up, as you want it\n", ": dev: your answer changed nothing\n"
		for _, c := range []struct {
			name, list, whose, fields, body string
			leaves, says                    string
			verdict                         lists.Curate
			dropped                         int
		}{
			{"a member's token", "dev", "ada@a.test", "", "skip", "", "", "", 0},
			{"who governs no more", "dev", "gone@o.test", "", "skip", "", "", "", 0},
			{"another list's address", "ops", "own@own.test", "", "skip", "", "", "", 0},
			{"a machine", "dev", "own@own.test", "Auto-Submitted: auto-replied\r\n", "skip", "", "", "", 0},
			{"nothing but a quote", "dev", "own@own.test", "", "> skip", "own@own.test" + unclear, "was not understood", "", 0},
			{"a number of nothing", "dev", "own@own.test", "", "drop 2", "own@own.test" + unclear, "There is no number 2", "", 0},
			{"all that there is", "dev", "own@own.test", "", "drop 1", "own@own.test" + unclear, "no topic at all", "", 0},
			{"an owner", "dev", "own@own.test", "", "Come and see.\r\ndrop 1\r\nhold\r\n\r\n> skip", "own@own.test" + changed, "x 1. Garden fence", lists.CurateHold, 1},
			{"a moderator, in HTML", "dev", "mod@o.test", "Content-Type: text/html\r\n", "<p>first 1</p><p>ok</p><blockquote>skip</blockquote>",
				"mod@o.test" + changed, "goes out at", lists.CurateSend, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				h := h.in(t)
				head, _, _ := strings.Cut(post(c.whose, "dev-moderate@lists.test", "Re: draft", c.fields), "\r\n\r\n")
				h.accept(envelope(c.whose, c.list+"-moderate+"+tokens[c.whose]+"@lists.test"), head+"\r\n\r\n"+c.body+"\r\n")
				all := h.wants(c.leaves)
				if got := curation(); got.Verdict != c.verdict || len(got.Drop) != c.dropped {
					t.Errorf("it is %+v", got)
				}
				if len(all) == 1 && !strings.Contains(mail.ReadBody(mail.Message{Head: []byte(all[0].head), Body: []byte(all[0].body)}, 1<<20).Text, c.says) {
					t.Errorf("it says\n%s", all[0].body)
				}
			})
		}
	})
}
