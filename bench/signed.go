package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"golang.org/x/sync/errgroup"

	"listd/mail"
	"listd/smtp/sink"
)

// pagesURL is where the site's pages are said to be, so that one-click is offered (RFC 8058). Nobody comes there.
const pagesURL = "https://" + domain

// signedRounds are as many rounds as one of the other measurements.
const signedRounds = 5

// deliverSigned measures what a real site does: personal mail, each copy with a return path and a one-click
// List-Unsubscribe of its own, signed with both keys of `listd init`. What limits it is RSA: it is compared with bare
// signatures on all cores. They are made just before and just after, each round is short, and their mean counts: what
// else the machine does meanwhile takes from both alike.
func (b *bench) deliverSigned(ctx context.Context) (err error) {
	s, err := b.emptySite(ctx, "deliver-signed", "-child-sampler")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	keys, err := s.init(ctx)
	if err != nil {
		return err
	}
	bits, err := keys.rsaBits()
	if err != nil {
		return err
	}
	if err := s.list(ctx, "dev", "personalize=full"); err != nil {
		return err
	}
	members := b.size.members
	if _, err := s.join(ctx, "dev", members); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	if _, err := s.round(ctx, 1, members); err != nil { // uncounted
		return err
	}
	if err := s.profiling(true); err != nil {
		return err
	}
	values := map[string][]float64{}
	add := func(name string, v float64) { values[name] = append(values[name], v) }
	deliveries := float64(b.size.signed * members)
	before, err := bareSignatures(ctx, bits, b.size.signing)
	if err != nil {
		return err
	}
	for range signedRounds * b.size.rounds {
		r, err := s.round(ctx, b.size.signed, members)
		if err != nil {
			return err
		}
		after, err := bareSignatures(ctx, bits, b.size.signing)
		if err != nil {
			return err
		}
		rate, bare := deliveries/r.seconds, (before.rate()+after.rate())/2
		signature := (before.CPU + after.CPU) / float64(before.Count+after.Count)
		add("ratio", rate/bare)
		add("rate", rate)
		add("bare", bare)
		add("cpu", 1000*r.cpu/deliveries)
		add("sink cpu", 1000*r.got.CPU/deliveries)
		add("bare cpu", 1000*signature)
		add("share", signature*deliveries/(r.cpu+r.got.CPU))
		b.logf("deliver-signed: %.0f deliveries/s, %.3f CPU ms each and the sink %.3f; %.3f of bare RSA-%d signatures before and after: %.0f/s and %.0f/s",
			rate, 1000*r.cpu/deliveries, 1000*r.got.CPU/deliveries, rate/bare, bits, before.rate(), after.rate())
		before = after
	}
	if err := s.profiling(false); err != nil {
		return err
	}
	checked, err := s.checkSample(keys)
	if err != nil {
		return err
	}
	of := fmt.Sprintf("deliver-signed: %d posts of 2 KiB to %d members, RSA-%d and Ed25519", b.size.signed, members, bits)
	b.report.add(of, "ratio to bare RSA signatures", "", atLeast(0.80), values["ratio"]...)
	b.report.add(of, "listd", "deliveries/s", nil, values["rate"]...)
	b.report.add(of, "bare RSA on all cores", "signatures/s", nil, values["bare"]...)
	b.report.add(of, "CPU of listd a delivery", "ms", nil, values["cpu"]...)
	b.report.add(of, "CPU of the sink a delivery", "ms", nil, values["sink cpu"]...)
	b.report.add(of, "CPU of a bare signature", "ms", nil, values["bare cpu"]...)
	b.report.add(of, "its share of both", "", nil, values["share"]...)
	b.report.add(of, "copies whose signatures were verified", "", nil, float64(checked))
	return nil
}

// init sets the site up by the command, and then configures it as the others are, but with pages. It returns the DKIM
// keys that init says to publish.
func (s *site) init(ctx context.Context) (published, error) {
	out, err := s.output(ctx, "--json", "init", "--domain", domain)
	if err != nil {
		return nil, err
	}
	var said struct {
		DNS []struct{ Name, Type, Value string }
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return nil, fmt.Errorf("what init prints: %w", err)
	}
	keys := published{}
	for _, r := range said.DNS {
		if r.Type == "TXT" && strings.Contains(r.Name, "._domainkey.") {
			// "first" "second": the strings of a record are read as one (RFC 6376 section 3.6.2.2).
			keys[strings.TrimSuffix(r.Name, ".")] = strings.ReplaceAll(strings.Trim(r.Value, `"`), `" "`, "")
		}
	}
	if len(keys) != 2 {
		return nil, fmt.Errorf("init names %d DKIM keys, two were expected", len(keys))
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return keys, s.configure(fmt.Sprintf("[http]\nlisten = \"127.0.0.1:%s\"\nurl = %q\n", port, pagesURL))
}

// published are DKIM key records by name.
type published map[string]string

func (p published) lookup(name string) ([]string, error) {
	if txt, ok := p[name]; ok {
		return []string{txt}, nil
	}
	return nil, fmt.Errorf("nothing is published at %s", name)
}

// rsaBits is the size of the RSA key.
func (p published) rsaBits() (int, error) {
	for _, txt := range p {
		_, encoded, _ := strings.Cut(txt, "k=rsa; p=")
		der, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return 0, err
		}
		if len(der) == 0 {
			continue
		}
		k, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return 0, err
		}
		if k, ok := k.(*rsa.PublicKey); ok {
			return k.N.BitLen(), nil
		}
	}
	return 0, errors.New("no RSA key is published")
}

// checkSample verifies the copies that the sink has kept, and says how many: each must have been its recipient's own, with
// two signatures that hold and cover what RFC 8058 wants.
func (s *site) checkSample(keys published) (int, error) {
	t, err := s.sink.ask(await{Sample: true})
	if err != nil {
		return 0, err
	}
	if len(t.Sample) == 0 {
		return 0, errors.New("the sink has kept no copy")
	}
	owner := map[string]string{} // whose a return path, or a List-Unsubscribe, is
	for _, m := range t.Sample {
		if len(m.To) != 1 {
			return 0, fmt.Errorf("a copy for %d recipients: %q", len(m.To), m.To)
		}
		leave, err := checkCopy(m.Data, keys)
		if err != nil {
			return 0, fmt.Errorf("the copy of %s: %w", m.To[0], err)
		}
		for _, own := range []string{m.From, leave} {
			// A member has one leave address for all posts, and a return path for each.
			if other, ok := owner[own]; ok && other != m.To[0] {
				return 0, fmt.Errorf("%s is of both %s and %s", own, other, m.To[0])
			}
			owner[own] = m.To[0]
		}
	}
	return len(t.Sample), nil
}

// checkCopy verifies one copy and returns its List-Unsubscribe.
func checkCopy(data []byte, keys published) (leave string, err error) {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	head = append(head[:len(head):len(head)], "\r\n"...)
	leave = mail.Get(head, "List-Unsubscribe")
	if !strings.HasPrefix(leave, "<"+pagesURL+"/") || mail.Get(head, "List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		return "", fmt.Errorf("List-Unsubscribe: %s offers no one-click", leave)
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(data), &dkim.VerifyOptions{LookupTXT: keys.lookup, MaxVerifications: 5})
	if err != nil {
		return "", err
	}
	if len(found) != 2 || !bytes.Contains(head, []byte("a=rsa-sha256;")) || !bytes.Contains(head, []byte("a=ed25519-sha256;")) {
		return "", fmt.Errorf("%d signatures; one of RSA and one of Ed25519 were expected", len(found))
	}
	for _, v := range found {
		if v.Err != nil {
			return "", v.Err
		}
		for _, name := range []string{"list-unsubscribe", "list-unsubscribe-post"} {
			if !slices.ContainsFunc(v.HeaderKeys, func(k string) bool { return strings.EqualFold(k, name) }) {
				return "", fmt.Errorf("a signature does not cover %s", name)
			}
		}
	}
	return leave, nil
}

// A sampler keeps one mail in sampled, and at most sampleMost.
const (
	sampled    = 97
	sampleMost = 300
)

// runSampler is a sink that keeps some of what it takes. All is copied once, which a signature costs five hundred times.
func runSampler(in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(1) // it has little to do: a second thread would only look for work, which costs more than the mail
	var n atomic.Int64
	var mu sync.Mutex
	var kept []sink.Mail
	s := &sink.Sink{Keep: func(m sink.Mail) {
		if n.Add(1)%sampled != 1 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if len(kept) < sampleMost {
			kept = append(kept, m)
		}
	}}
	return serveSink(s, func() []sink.Mail {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(kept)
	}, in, out)
}

// signing is how long bare signatures are to be made with a key of how many bits, and then how many there were.
type signing struct {
	Bits         int
	For          time.Duration
	Count        int64
	Seconds, CPU float64
}

func (s signing) rate() float64 { return float64(s.Count) / s.Seconds }

// runSign signs on all cores: PKCS #1 v1.5 of a SHA-256, as DKIM does, and nothing else.
func runSign(in io.Reader, out io.Writer) error {
	var s signing
	if err := json.NewDecoder(in).Decode(&s); err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, s.Bits)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("the head of a message"))
	var count atomic.Int64
	var g errgroup.Group
	used, err := ownCPU()
	if err != nil {
		return err
	}
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for time.Since(start) < s.For {
				if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.Seconds, s.Count = time.Since(start).Seconds(), count.Load()
	s.CPU, err = ownCPU()
	s.CPU -= used
	return errors.Join(err, json.NewEncoder(out).Encode(s))
}

// bareSignatures has them made in a process of its own.
func bareSignatures(ctx context.Context, bits int, d time.Duration) (signing, error) {
	s := signing{Bits: bits, For: d}
	err := runChild(ctx, "-child-sign", &s)
	return s, err
}
