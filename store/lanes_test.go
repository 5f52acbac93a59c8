package store_test

import (
	"fmt"
	"testing"
	"time"

	"listd/mail"
	"listd/store"
)

// TestLanesCost holds Lanes to a probe for each lane: a lane of many rows costs no more than one of few.
func TestLanesCost(t *testing.T) {
	t.Parallel()
	cost := func(rows int) time.Duration {
		url := sqliteURL(t)
		migrated(t, url)
		db := open(t, url, nil)
		if err := db.Update(t.Context(), func(tx *store.Tx) error {
			id, err := tx.AddMessage([]byte("Subject: x\r\n"), store.PackBody(nil))
			if err != nil {
				return err
			}
			o := store.Outgoing{Message: id, Priority: 1, GiveUp: tx.Now.Add(time.Hour), FannedTo: -1}
			if o.ID, err = tx.AddOutgoing(o); err != nil {
				return err
			}
			to := make([]mail.Address, rows)
			for i := range to {
				to[i] = mail.Address{Local: fmt.Sprintf("m%d", i), Domain: "example.net"}
			}
			return tx.AddDeliveries(o, to, func(mail.Address) string { return "" })
		}); err != nil {
			t.Fatal(err)
		}
		least := time.Hour
		for range 30 {
			if err := db.View(t.Context(), func(tx *store.Tx) error {
				start := time.Now()
				lanes, err := tx.Lanes(nil, 10)
				least = min(least, time.Since(start))
				if len(lanes) != 1 {
					t.Errorf("%d lanes, want 1", len(lanes))
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		return least
	}
	if few, many := cost(10), cost(4000); many > 5*few {
		t.Errorf("looking at a lane of 4,000 rows takes %v, at one of 10 %v", many, few)
	}
}
