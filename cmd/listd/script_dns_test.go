package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/dns/dnsmessage"

	"listd/mailauth"
)

// dns serves the records of a file to the resolver of a configuration: `dns FILE [CONFIG]`. A line is a name, a type (TXT, A,
// MX) and what it says, or a name and SILENT: nobody answers for it or for what lies below. Other names do not exist. A
// later file takes the place of an earlier one; the server remembers for minutes what it has asked.
func (w *world) dns(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: dns FILE [CONFIG]")
	}
	var records []record
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		r, err := parseRecord(line)
		ts.Check(err)
		records = append(records, r)
	}
	if w.names == nil {
		n, err := newNameserver()
		ts.Check(err)
		w.names = n
	}
	w.names.set(records)
	w.conf(ts, false, append([]string{"dns.resolver", strconv.Quote(w.names.addr)}, args[1:]...))
}

// record is one of the zone; without a body it is silence.
type record struct {
	name string // without a final dot
	body dnsmessage.ResourceBody
}

func parseRecord(line string) (record, error) {
	f := strings.Fields(line)
	bad := fmt.Errorf("%q is no record", line)
	switch {
	case len(f) == 2 && f[1] == "SILENT":
		return record{name: f[0]}, nil
	case len(f) < 3:
		return record{}, bad
	case f[1] == "TXT":
		return record{f[0], &dnsmessage.TXTResource{TXT: mailauth.CharacterStrings(strings.Join(f[2:], " "))}}, nil
	case f[1] == "A" && len(f) == 3:
		ip, err := netip.ParseAddr(f[2])
		if err != nil || !ip.Is4() {
			return record{}, bad
		}
		return record{f[0], &dnsmessage.AResource{A: ip.As4()}}, nil
	case f[1] == "MX" && len(f) == 4:
		pref, err := strconv.ParseUint(f[2], 10, 16)
		if err != nil {
			return record{}, bad
		}
		host, err := dnsmessage.NewName(f[3] + ".")
		return record{f[0], &dnsmessage.MXResource{Pref: uint16(pref), MX: host}}, err
	}
	return record{}, bad
}

// nameserver answers from records (RFC 1035), over UDP and TCP on one port of loopback.
type nameserver struct {
	addr string
	udp  net.PacketConn
	tcp  net.Listener
	done sync.WaitGroup

	mu      sync.Mutex
	records []record
	open    []net.Conn
}

func newNameserver() (*nameserver, error) {
	n := &nameserver{}
	var err error
	for range 20 { // the port that TCP gets may be taken for UDP
		if n.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		n.addr = n.tcp.Addr().String()
		if n.udp, err = net.ListenPacket("udp", n.addr); err == nil {
			break
		}
		err = errors.Join(err, n.tcp.Close())
	}
	if n.udp == nil {
		return nil, err
	}
	n.done.Go(n.serveUDP)
	n.done.Go(n.serveTCP)
	return n, nil
}

func (n *nameserver) set(records []record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = records
}

// add puts a record beside those of the file; the next file leaves it out.
func (n *nameserver) add(r record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = append(slices.Clone(n.records), r)
}

func (n *nameserver) close() {
	_, _ = n.udp.Close(), n.tcp.Close() // nothing is kept
	n.mu.Lock()
	for _, c := range n.open {
		_ = c.Close() // it may be closed
	}
	n.mu.Unlock()
	n.done.Wait()
}

// maxUDP is how long an answer may be before TCP has to carry it (RFC 6891 section 6.2.5 names it for IPv6).
const maxUDP = 1232

func (n *nameserver) serveUDP() {
	buf := make([]byte, 4096)
	for {
		k, from, err := n.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		if out := n.answer(buf[:k], maxUDP); out != nil {
			_, _ = n.udp.WriteTo(out, from) // who asked may be gone
		}
	}
}

func (n *nameserver) serveTCP() {
	for {
		c, err := n.tcp.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		n.open = append(n.open, c)
		n.mu.Unlock()
		n.done.Go(func() {
			defer func() { _ = c.Close() }() // nothing is kept
			var size [2]byte
			for {
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				q := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, q); err != nil {
					return
				}
				if out := n.answer(q, 1<<16-1); out != nil {
					if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)); err != nil {
						return
					}
				}
			}
		})
	}
}

// answer is what is said to a question; nil for silence.
func (n *nameserver) answer(raw []byte, limit int) []byte {
	var q dnsmessage.Message
	if q.Unpack(raw) != nil || len(q.Questions) != 1 {
		return nil
	}
	ask := q.Questions[0]
	out := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, Authoritative: true, RecursionDesired: q.RecursionDesired,
		RecursionAvailable: true, RCode: dnsmessage.RCodeNameError}, Questions: q.Questions}
	name := strings.ToLower(strings.TrimSuffix(ask.Name.String(), "."))
	for _, r := range n.zone() {
		under := name == r.name || strings.HasSuffix(name, "."+r.name)
		switch {
		case under && r.body == nil:
			return nil
		case name != r.name && strings.HasSuffix(r.name, "."+name) && out.RCode != dnsmessage.RCodeSuccess:
			out.RCode = dnsmessage.RCodeSuccess // RFC 8020: something is below it
		case name == r.name:
			out.RCode = dnsmessage.RCodeSuccess
			if kind(r.body) == ask.Type {
				out.Answers = append(out.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: ask.Name, Class: ask.Class, TTL: 60}, Body: r.body})
			}
		}
	}
	b, err := out.Pack()
	if err == nil && len(b) > limit {
		out.Answers, out.Truncated = nil, true
		b, err = out.Pack()
	}
	if err != nil {
		return nil
	}
	return b
}

func (n *nameserver) zone() []record {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.records
}

func kind(b dnsmessage.ResourceBody) dnsmessage.Type {
	switch b.(type) {
	case *dnsmessage.TXTResource:
		return dnsmessage.TypeTXT
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeMX
}

// txt is what a TXT record says, for who verifies in a story.
func (n *nameserver) txt(name string) (out []string, err error) {
	for _, r := range n.zone() {
		if t, ok := r.body.(*dnsmessage.TXTResource); ok && r.name == strings.TrimSuffix(name, ".") {
			out = append(out, strings.Join(t.TXT, ""))
		}
	}
	return out, nil
}
