package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"listd/mailauth"
	"listd/store"
)

// signers are the DKIM signers of our domains, read anew now and then: a domain may be added beside a running server.
type signers struct {
	db  *store.DB
	log *slog.Logger

	mu   sync.Mutex
	read time.Time
	all  map[string]*mailauth.Signer
}

// signersKept is how long keys are used before they are read again.
const signersKept = time.Minute

// of is the signer of a domain; nil if it has no keys: then mail leaves unsigned.
func (s *signers) of(domain string) *mailauth.Signer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.all == nil || now.Sub(s.read) > signersKept {
		all, err := readSigners(s.db)
		if err != nil {
			s.log.Error("the DKIM keys cannot be read", slog.Any("error", err))
		} else {
			s.all, s.read = all, now
		}
	}
	return s.all[domain]
}

func readSigners(db *store.DB) (map[string]*mailauth.Signer, error) {
	var rows []store.DKIMKey
	if err := db.View(context.Background(), func(tx *store.Tx) (err error) {
		rows, err = tx.DKIMKeys("")
		return err
	}); err != nil {
		return nil, err
	}
	keys := map[string][]mailauth.Key{}
	for _, r := range rows {
		if !r.Retired.IsZero() {
			continue
		}
		k, err := mailauth.ParseKey(r.Domain, r.Selector, r.Private)
		if err != nil {
			return nil, fmt.Errorf("key %s of %s: %w", r.Selector, r.Domain, err)
		}
		keys[r.Domain] = append(keys[r.Domain], k)
	}
	all := map[string]*mailauth.Signer{}
	for domain, of := range keys {
		signer, err := mailauth.NewSigner(of...)
		if err != nil {
			return nil, err
		}
		all[domain] = signer
	}
	return all, nil
}

// addKeys makes the keys of a domain: RSA for everybody, Ed25519 for those who know it (RFC 8463). The selectors carry
// the month, so that later keys can stand beside them.
func addKeys(ctx context.Context, db *store.DB, domain string) ([]mailauth.Key, error) {
	month := db.Now().Format("200601")
	keys, err := mailauth.GenerateKeys(domain, "listd"+month+"r", "listd"+month+"e")
	if err != nil {
		return nil, err
	}
	return keys, db.Update(ctx, func(tx *store.Tx) error {
		for _, k := range keys {
			if err := tx.AddDKIMKey(store.DKIMKey{Domain: domain, Selector: k.Selector, Private: k.PEM()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// keyRecords are the DNS records of DKIM keys.
func keyRecords(keys []mailauth.Key) (out []dnsRecord) {
	for _, k := range keys {
		name, txt := k.DNSRecord()
		value := ""
		for _, part := range mailauth.CharacterStrings(txt) {
			value += ` "` + part + `"`
		}
		out = append(out, dnsRecord{name + ".", "TXT", value[1:], "the key our signatures are checked with (DKIM, RFC 6376)"})
	}
	return out
}
