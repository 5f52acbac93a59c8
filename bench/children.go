package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"listd/smtp/sink"
)

// children are what this program is when it starts itself: the server that takes the mail and the bare client must not
// share a process with what measures them. They speak JSON on their standard input and output, and end with it.
var children = map[string]func(io.Reader, io.Writer) error{"-child-sink": runSink, "-child-sampler": runSampler,
	"-child-blast": runBlast, "-child-sign": runSign}

// taken is what the sink has had so far.
type taken struct {
	Addr         string
	Transactions int64
	Recipients   int64
	Bytes        int64
	CPU          float64     // of its process, in seconds
	Sample       []sink.Mail `json:",omitempty"` // what a sampler has kept, if it was asked for
}

// await asks the sink to answer when it has had so many recipients, or after a while.
type await struct {
	Recipients int64
	For        time.Duration
	Sample     bool
}

// look is how often a sink that is waited for looks: often enough for rounds of seconds, and seldom enough to cost nothing.
const look = 5 * time.Millisecond

func runSink(in io.Reader, out io.Writer) error { return serveSink(&sink.Sink{}, nil, in, out) }

// serveSink runs a sink until in ends. kept is what it has kept, if it keeps anything.
func serveSink(s *sink.Sink, kept func() []sink.Mail, in io.Reader, out io.Writer) error {
	addr, err := s.Listen()
	if err != nil {
		return err
	}
	defer s.Close()
	now := func() (taken, error) {
		cpu, err := ownCPU()
		return taken{Addr: addr, Transactions: s.Transactions(), Recipients: s.Recipients(), Bytes: s.Bytes(), CPU: cpu}, err
	}
	answers, orders := json.NewEncoder(out), json.NewDecoder(in)
	first, err := now()
	if err != nil {
		return err
	}
	if err := answers.Encode(first); err != nil {
		return err
	}
	for {
		var a await
		if err := orders.Decode(&a); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for end := time.Now().Add(a.For); s.Recipients() < a.Recipients && time.Now().Before(end); {
			time.Sleep(look)
		}
		t, err := now()
		if err != nil {
			return err
		}
		if a.Sample && kept != nil {
			t.Sample = kept()
		}
		if err := answers.Encode(t); err != nil {
			return err
		}
	}
}

// ownCPU is the CPU time of this process, in seconds.
func ownCPU() (float64, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), err
}

// sinkProcess is the sink from outside.
type sinkProcess struct {
	addr    string
	orders  *json.Encoder
	answers *json.Decoder
	stop    func() error
}

// startSink starts a child that is a sink.
func startSink(ctx context.Context, child string) (*sinkProcess, error) {
	cmd, in, out, err := startChild(ctx, child)
	if err != nil {
		return nil, err
	}
	s := &sinkProcess{orders: json.NewEncoder(in), answers: json.NewDecoder(out)}
	s.stop = func() error {
		_ = in.Close() // it ends by that, or by ctx
		return cmd.Wait()
	}
	var first taken
	if err := s.answers.Decode(&first); err != nil {
		_ = s.stop() // the error is what counts
		return nil, fmt.Errorf("start the sink: %w", err)
	}
	s.addr = first.Addr
	return s, nil
}

// wait returns what the sink has when it has had so many recipients; an error if that takes longer than at most.
func (s *sinkProcess) wait(recipients int64, atMost time.Duration) (taken, error) {
	t, err := s.ask(await{Recipients: recipients, For: atMost})
	if err != nil {
		return t, err
	}
	if t.Recipients < recipients {
		return t, fmt.Errorf("%d of %d deliveries arrived within %v", t.Recipients, recipients, atMost)
	}
	return t, nil
}

func (s *sinkProcess) ask(a await) (t taken, err error) {
	if err := s.orders.Encode(a); err != nil {
		return t, err
	}
	if err := s.answers.Decode(&t); err != nil {
		return t, fmt.Errorf("the sink: %w", err)
	}
	return t, nil
}

// now is what the sink has had.
func (s *sinkProcess) now() (taken, error) { return s.wait(0, 0) }

func startChild(ctx context.Context, what string) (*exec.Cmd, io.WriteCloser, io.Reader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	return cmd, in, bufio.NewReader(out), cmd.Start()
}

// volley is what the bare client is to send, and then what that took.
type volley struct {
	Addr                     string
	Conns, Count, Recipients int
	Lockstep                 bool // without PIPELINING
	Data                     []byte
	Seconds, CPU             float64
}

func runBlast(in io.Reader, out io.Writer) error {
	var v volley
	if err := json.NewDecoder(in).Decode(&v); err != nil {
		return err
	}
	var took time.Duration
	var err error
	if v.Lockstep {
		took, err = lockstep(context.Background(), v)
	} else {
		took, err = sink.Blast{Conns: v.Conns, Count: v.Count, Rcpts: v.Recipients, Data: v.Data}.Run(context.Background(), v.Addr)
	}
	if err != nil {
		return err
	}
	if v.CPU, err = ownCPU(); err != nil {
		return err
	}
	v.Data, v.Seconds = nil, took.Seconds()
	return json.NewEncoder(out).Encode(v)
}

// blast has the bare client send, in a process of its own.
func blast(ctx context.Context, v volley) (volley, error) {
	err := runChild(ctx, "-child-blast", &v)
	return v, err
}

// runChild starts a child, gives it v, and takes what it makes of it.
func runChild(ctx context.Context, what string, v any) error {
	cmd, in, out, err := startChild(ctx, what)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(in).Encode(v); err != nil {
		return err
	}
	if err := json.NewDecoder(out).Decode(v); err != nil {
		_ = in.Close()
		_ = cmd.Wait() // the error is what counts
		return fmt.Errorf("%s: %w", what, err)
	}
	_ = in.Close()
	return cmd.Wait()
}
