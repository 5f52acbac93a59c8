package storetest

import (
	"reflect"
	"time"

	"listd/store"
)

func testMailboxes(f *fixture) {
	f.update(func(tx *store.Tx) error {
		for range 2 { // once is once
			if err := tx.AddMailbox("b"); err != nil {
				return err
			}
		}
		return tx.AddMailbox("a")
	})
	f.fails(store.ErrNotFound, func(tx *store.Tx) error {
		_, err := tx.LockMailbox("c")
		return err
	})
	want := store.Mailbox{Name: "b", Place: "p:993/u/INBOX", Validity: 1<<32 - 1, Stock: 3, UID: 1<<32 - 1, Holder: 1<<63 - 1,
		Until: f.clock.Now().Add(time.Minute), At: f.clock.Now(), Error: "why", Unsettled: []store.Unsettled{{UID: 4, State: "later", Tries: 2, Next: 5}}}
	f.update(func(tx *store.Tx) error {
		m, err := tx.LockMailbox("b")
		if err != nil {
			return err
		}
		if fresh := (store.Mailbox{Name: "b", Unsettled: []store.Unsettled{}}); !reflect.DeepEqual(m, fresh) {
			f.Errorf("a new mailbox is %+v", m)
		}
		return tx.SaveMailbox(want)
	})
	f.view(func(tx *store.Tx) error {
		all, err := tx.Mailboxes()
		if both := []store.Mailbox{{Name: "a", Unsettled: []store.Unsettled{}}, want}; !reflect.DeepEqual(all, both) {
			f.Errorf("the mailboxes are\n%+v, want\n%+v", all, both)
		}
		if err != nil {
			return err
		}
		got, err := tx.Mailbox("b")
		if !reflect.DeepEqual(got, want) {
			f.Errorf("the mailbox is\n%+v, want\n%+v", got, want)
		}
		return err
	})
}
