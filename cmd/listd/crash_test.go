package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	netsmtp "net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/smtp/sink"
	"listd/store"
)

var crashSeed = flag.Uint64("crash.seed", 0, "the chance of TestCrash; 0: another each time")

// The size of the crash test.
const (
	crashKills   = 8
	crashClients = 3
	crashMembers = 12 // of each list
)

// parcel is one message on its way to one recipient.
type parcel struct{ msgID, rcpt string }

// crash is a site that is killed again and again while it has work, and what all others saw of it.
type crash struct {
	*testing.T
	dir     string
	catcher *sink.Sink

	mu      sync.Mutex
	chance  *rand.Rand
	calm    bool          // the relay does what it should
	up      chan struct{} // closed while the node serves
	node    *running
	copies  map[parcel]int
	dropped map[string]int  // by return path: taken, and the reply lost
	refused map[string]bool // by return path: 5yz
	wrong   []string        // what should not have come
	held    map[parcel]int  // at how many kills the row was in a worker's hands
}

// TestCrash kills the program at random moments while clients post and the relay misbehaves. Every message that got a
// 250 reaches every member once; a second copy has its reason: it was in a worker's hands at a kill, or the relay took
// it and the reply was lost. Nothing else is promised by SMTP, and nothing less is kept here.
func TestCrash(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		b := chance()
		seed = binary.BigEndian.Uint64(b[:])
	}
	t.Logf("to do this once more: -run TestCrash -crash.seed=%d", seed)
	c := &crash{T: t, dir: t.TempDir(), chance: rand.New(rand.NewPCG(seed, 1)), up: make(chan struct{}), copies: map[parcel]int{},
		dropped: map[string]int{}, refused: map[string]bool{}, held: map[parcel]int{}}
	c.catcher = &sink.Sink{Keep: c.keep, Fault: c.fault}
	relay, err := c.catcher.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer c.catcher.Close()
	defer c.leaveNothing()
	c.setUp(relay)
	posted := make(chan []string, crashClients)
	enough := make(chan struct{})
	c.start()
	for i := range crashClients {
		go func() { posted <- c.post(i, enough) }()
	}
	for i := range crashKills {
		if i > 0 {
			c.start()
		}
		c.work()
		c.kill()
	}
	c.mu.Lock()
	c.calm = true
	c.mu.Unlock()
	// What waits for a later attempt has it now.
	c.start("LISTD_CLOCK=+12h")
	close(enough)
	var all []string
	for range crashClients {
		all = append(all, <-posted...)
	}
	c.listd("queue", "wait", "--timeout", "30s")
	c.stop()
	c.verify(all)
}

// leaveNothing ends a program that a failure has left behind.
func (c *crash) leaveNothing() {
	if c.node != nil {
		_ = c.node.cmd.Process.Kill() // it may have ended
		<-c.node.ended
	}
}

// work waits until the relay has taken so many more mails, or is not asked to: its misbehaviour may have had it given up
// for now. A moment later is any moment.
func (c *crash) work() {
	c.mu.Lock()
	want := c.catcher.Transactions() + int64(10+c.chance.IntN(80))
	c.mu.Unlock()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(3 * time.Second)
	for c.catcher.Transactions() < want {
		select {
		case <-tick.C:
		case <-late:
			return
		}
	}
	c.pause(1, 40)
}

// pause waits between from and to milliseconds.
func (c *crash) pause(from, to int) {
	c.mu.Lock()
	d := time.Duration(from+c.chance.IntN(to-from)) * time.Millisecond
	c.mu.Unlock()
	<-time.After(d)
}

// setUp makes two lists with the same members: dev sends each a copy of their own, ops shares transactions.
func (c *crash) setUp(relay string) {
	c.Helper()
	conf := fmt.Sprintf("hostname = \"lists.test\"\n[smtp]\nlisten = [\"127.0.0.1:0\"]\n[delivery]\nrelay = %q\nrelay_tls = \"none\"\n[log]\nlevel = \"debug\"\n", relay)
	if err := os.WriteFile(filepath.Join(c.dir, "listd.toml"), []byte(conf), 0o600); err != nil {
		c.Fatal(err)
	}
	for _, l := range []string{"dev", "ops"} {
		c.listd("list", "create", l+"@lists.test", "--set", "posting=anyone", "--set", "personalize="+map[string]string{"dev": "full", "ops": "none"}[l])
		c.listd(append([]string{"member", "add", l + "@lists.test"}, crashRcpts(l)...)...)
	}
}

// crashRcpts are a list's members. never@ is refused for good.
func crashRcpts(list string) (out []string) {
	for i := range crashMembers - 1 {
		out = append(out, fmt.Sprintf("%s%d@d%d.test", list, i, i%3))
	}
	return append(out, list+"-never@d0.test")
}

// listd runs a command, which must succeed.
func (c *crash) listd(args ...string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), "listd", append(args, "--config", filepath.Join(c.dir, "listd.toml"))...)
	cmd.Env = append(os.Environ(), "LISTD_CLOCK=+12h")
	if args[0] != "queue" {
		cmd.Env = os.Environ()
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		c.Fatalf("listd %s: %v\n%s\n%s", strings.Join(args, " "), err, out, c.node)
	}
}

// start starts the program and waits until it serves.
func (c *crash) start(env ...string) {
	c.Helper()
	n, err := startNode(filepath.Join(c.dir, "listd.toml"), env...)
	if err != nil {
		c.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.node = n
	close(c.up)
}

// startNode starts listd serve and waits until it serves.
func startNode(config string, env ...string) (*running, error) {
	n := &running{cmd: exec.Command("listd", "serve", "--config", config), ended: make(chan struct{})}
	n.cmd.Env = append(os.Environ(), env...)
	errs, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	serves := make(chan bool, 1)
	go n.read(errs, serves)
	select {
	case ok := <-serves:
		if ok {
			return n, nil
		}
		return nil, fmt.Errorf("listd serve has ended: %w\n%s", n.err, n)
	case <-time.After(patience):
		_ = n.cmd.Process.Kill() // it may have ended
		return nil, fmt.Errorf("listd serve does not come up:\n%s", n)
	}
}

// kill ends the program as a power cut does, and notes which rows were in a worker's hands.
func (c *crash) kill() {
	c.Helper()
	c.down(os.Kill)
	for p := range c.inHand() {
		c.mu.Lock()
		c.held[p]++
		c.mu.Unlock()
	}
}

func (c *crash) down(s os.Signal) {
	c.Helper()
	if err := c.node.cmd.Process.Signal(s); err != nil {
		c.Fatalf("%v\n%s", err, c.node)
	}
	<-c.node.ended
	c.mu.Lock()
	c.up = make(chan struct{})
	c.mu.Unlock()
}

// stop ends the program in good order.
func (c *crash) stop() {
	c.Helper()
	c.down(syscall.SIGTERM)
	if c.node.err != nil {
		c.Fatalf("listd serve has ended with %v\n%s", c.node.err, c.node)
	}
}

// inHand are the parcels that a worker holds by what the dead program has left. It looks at a copy: the program itself
// shall recover the database.
func (c *crash) inHand() map[parcel]bool {
	c.Helper()
	at := filepath.Join(c.TempDir(), "listd.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(c.dir, "listd.db"+suffix))
		if err == nil {
			err = os.WriteFile(at+suffix, b, 0o600)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.Fatal(err)
		}
	}
	out := map[parcel]bool{}
	c.view(at, func(tx *store.Tx) error {
		all, err := tx.Undelivered(1 << 20)
		for _, d := range all {
			if d.Held {
				out[parcel{c.msgID(tx, d.Outgoing), d.Rcpt}] = true
			}
		}
		return err
	})
	return out
}

func (c *crash) view(path string, f func(tx *store.Tx) error) {
	c.Helper()
	ctx := context.WithoutCancel(c.Context())
	db, err := store.Open(ctx, store.Options{URL: path})
	if err == nil {
		err = errors.Join(db.View(ctx, f), db.Close())
	}
	if err != nil {
		c.Fatal(err)
	}
}

func (c *crash) msgID(tx *store.Tx, id store.OutgoingID) string {
	c.Helper()
	o, err := tx.Outgoing(id)
	if err != nil {
		c.Fatal(err)
	}
	m, err := tx.Message(o.Message)
	if err != nil {
		c.Fatal(err)
	}
	return strings.Trim(mail.Get(m.Head, "Message-ID"), "<>")
}

// crashBody is a message's text, made of its Message-ID: dots where they hurt, and now and then more than a chunk.
func crashBody(msgID string) string {
	n := 1
	for _, b := range []byte(msgID) {
		n = (n*31 + int(b)) % 1_000_003
	}
	lines := 2 + n%40
	if n%41 == 0 {
		lines = 6000
	}
	return strings.Repeat(".This is "+msgID+"\r\n..\r\n.\r\n", lines)
}

// post is a client: it repeats each message until it has its 250, and goes on until it is enough. It returns what it
// has sent.
func (c *crash) post(client int, enough <-chan struct{}) (sent []string) {
	for n := 0; ; n++ {
		list := []string{"dev", "ops"}[(client+n)%2]
		id := fmt.Sprintf("%s.%d.%d@client.test", list, client, n)
		message := fmt.Sprintf("From: client%d@client.test\r\nTo: %s@lists.test\r\nSubject: %[2]s\r\nMessage-ID: <%s>\r\n\r\n%s", client, list, id, crashBody(id))
		for !c.try(client, list, message) {
			if c.Context().Err() != nil {
				return sent
			}
		}
		sent = append(sent, id)
		select {
		case <-enough:
			return sent
		default:
		}
		c.pause(1, 60)
	}
}

// try posts a message and says whether it was taken.
func (c *crash) try(client int, list, message string) bool {
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	select {
	case <-up:
	case <-c.Context().Done():
		return false
	}
	c.mu.Lock()
	at := c.node.addr
	c.mu.Unlock()
	err := netsmtp.SendMail(at, nil, fmt.Sprintf("client%d@client.test", client), []string{list + "@lists.test"}, []byte(message))
	if err != nil {
		c.pause(1, 20)
	}
	return err == nil
}

// fault is the relay's misbehaviour. A lost reply to the final dot, and a refusal of a message, must be told from the
// return path, which is one member's at dev; ops is spared them.
func (c *crash) fault(stage, arg string) sink.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stage == "rcpt" && strings.Contains(arg, "-never@") {
		return sink.Fault{Reply: "550 5.1.1 no such user"}
	}
	if c.calm {
		return sink.Fault{}
	}
	dice := c.chance.IntN(100)
	switch stage {
	case "connect":
		return either(dice < 2, sink.Fault{Reply: "421 4.3.2 busy"})
	case "mail":
		return either(dice < 1, sink.Fault{Reply: "451 4.3.0 later"})
	case "rcpt":
		return either(dice < 2, sink.Fault{Reply: "452 4.2.2 full"})
	case "data", "body":
		return either(dice < 1, sink.Fault{Drop: true})
	case "dot":
		switch own := strings.HasPrefix(arg, "dev-"); {
		case dice < 1:
			return sink.Fault{Drop: true}
		case dice < 3:
			return sink.Fault{Reply: "451 4.3.0 later"}
		case dice < 5 && own:
			c.refused[arg] = true
			return sink.Fault{Reply: "554 5.6.0 I do not like it"}
		case dice < 7 && own:
			c.dropped[arg]++
			return sink.Fault{DropAfter: true}
		}
	}
	return sink.Fault{}
}

func either(is bool, f sink.Fault) sink.Fault {
	if is {
		return f
	}
	return sink.Fault{}
}

// keep takes what the relay has taken.
func (c *crash) keep(m sink.Mail) {
	head, body, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
	id := strings.Trim(mail.Get(append(head, "\r\n"...), "Message-ID"), "<>")
	c.mu.Lock()
	defer c.mu.Unlock()
	list, _, _ := strings.Cut(id, ".")
	for _, to := range m.To {
		c.copies[parcel{id, to}]++
		if !slices.Contains(crashRcpts(list), to) {
			c.wrong = append(c.wrong, fmt.Sprintf("%s to %s", id, to))
		}
	}
	if string(body) != crashBody(id) {
		c.wrong = append(c.wrong, fmt.Sprintf("%s with %d bytes", id, len(body)))
	}
}

// verify holds what all have seen against what is promised.
func (c *crash) verify(sent []string) {
	c.Helper()
	state := map[parcel]store.DeliveryState{}
	paths := map[parcel]string{}
	c.view(filepath.Join(c.dir, "listd.db"), func(tx *store.Tx) error {
		key, err := tx.SiteValue(hmacKey)
		if err != nil {
			return err
		}
		numbers := map[string]int{}
		for _, id := range sent {
			in, err := tx.IntakeByMsgID(id)
			if err != nil {
				return err
			}
			if len(in) != 1 || in[0].Outcome != "posted" {
				c.Errorf("%s, which was told 250, is recorded as %+v", id, in)
				continue
			}
			list, _, _ := strings.Cut(id, ".")
			numbers[list]++
			if err := c.outcomes(tx, lists.NewMinter(key), in[0], state, paths); err != nil {
				return err
			}
		}
		all, err := tx.Lists()
		for _, l := range all {
			if int(l.LastSeq) != numbers[l.Name()] {
				c.Errorf("%s has %d posts of %d messages", l.Address, l.LastSeq, numbers[l.Name()])
			}
		}
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.wrong {
		c.Errorf("the relay was given %s", w)
	}
	twice := c.explain(sent, state, paths)
	for _, p := range slices.SortedFunc(maps.Keys(c.copies), func(a, b parcel) int { return cmp.Compare(a.msgID+a.rcpt, b.msgID+b.rcpt) }) {
		if !slices.Contains(sent, p.msgID) {
			c.Errorf("%s got %s, which nobody has sent to the end", p.rcpt, p.msgID)
		}
	}
	c.Logf("%d messages, %d parcels, %d copies, %d lost replies, %d refusals, %d times in hand at %d kills: %d parcels have more than one copy",
		len(sent), len(state), c.catcher.Recipients(), sum(c.dropped), len(c.refused), sum(c.held), crashKills, twice)
	if len(sent) < crashKills || sum(c.held) < crashKills {
		c.Error("there was too little work for the kills to disturb")
	}
}

// outcomes reads what became of each delivery of a message, and under which return path it left.
func (c *crash) outcomes(tx *store.Tx, minter *lists.Minter, in store.Intake, state map[parcel]store.DeliveryState, paths map[parcel]string) error {
	l, err := tx.List(in.List)
	if err != nil {
		return err
	}
	all, err := tx.DeliveriesOf(in.Outgoing, "", 1000)
	for _, d := range all {
		p := parcel{in.MsgID, d.Rcpt}
		state[p] = d.State
		rcpt, err := mail.ParseAddress(d.Rcpt)
		if err != nil {
			return err
		}
		s, err := tx.Subscription(in.List, rcpt)
		if err != nil {
			return err
		}
		paths[p] = minter.VERP(l.Bounces(), int64(in.Outgoing), s.ID).String()
	}
	return err
}

// explain wants a reason for every copy too few or too many, and says how many parcels have more than one.
func (c *crash) explain(sent []string, state map[parcel]store.DeliveryState, paths map[parcel]string) (twice int) {
	for _, id := range sent {
		list, _, _ := strings.Cut(id, ".")
		for _, rcpt := range crashRcpts(list) {
			p := parcel{id, rcpt}
			copies, more := c.copies[p], c.dropped[paths[p]]+c.held[p]
			refused := c.refused[paths[p]] || strings.Contains(rcpt, "-never@")
			switch {
			case state[p] == store.Sent && (copies < 1 || copies > 1+more):
				c.Errorf("%s has %d copies of %s, sent; at most %d have a reason", rcpt, copies, id, 1+more)
			case state[p] == store.Failed && (!refused || copies > more):
				c.Errorf("%s has %d copies of %s, which failed; refused: %v; at most %d have a reason", rcpt, copies, id, refused, more)
			case state[p] != store.Sent && state[p] != store.Failed:
				c.Errorf("%s to %s is %q at the end", id, rcpt, state[p])
			}
			if copies > 1 {
				twice++
			}
		}
	}
	return twice
}

func sum[K comparable](m map[K]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}
