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
var children = map[string]func(io.Reader, io.Writer) error{"-child-sink": runSink, "-child-blast": runBlast}

// taken is what the sink has had so far.
type taken struct {
	Addr         string
	Transactions int64
	Recipients   int64
	Bytes        int64
}

// await asks the sink to answer when it has had so many recipients, or after a while.
type await struct {
	Recipients int64
	For        time.Duration
}

func runSink(in io.Reader, out io.Writer) error {
	var s sink.Sink
	addr, err := s.Listen()
	if err != nil {
		return err
	}
	defer s.Close()
	now := func() taken {
		return taken{Addr: addr, Transactions: s.Transactions(), Recipients: s.Recipients(), Bytes: s.Bytes()}
	}
	answers, orders := json.NewEncoder(out), json.NewDecoder(in)
	if err := answers.Encode(now()); err != nil {
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
			time.Sleep(time.Millisecond)
		}
		if err := answers.Encode(now()); err != nil {
			return err
		}
	}
}

// sinkProcess is the sink from outside.
type sinkProcess struct {
	addr    string
	orders  *json.Encoder
	answers *json.Decoder
	stop    func() error
}

func startSink(ctx context.Context) (*sinkProcess, error) {
	cmd, in, out, err := startChild(ctx, "-child-sink")
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
	var t taken
	if err := s.orders.Encode(await{recipients, atMost}); err != nil {
		return t, err
	}
	if err := s.answers.Decode(&t); err != nil {
		return t, fmt.Errorf("the sink: %w", err)
	}
	if t.Recipients < recipients {
		return t, fmt.Errorf("%d of %d deliveries arrived within %v", t.Recipients, recipients, atMost)
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
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err
	}
	v.Data, v.Seconds, v.CPU = nil, took.Seconds(), time.Duration(u.Utime.Nano()+u.Stime.Nano()).Seconds()
	return json.NewEncoder(out).Encode(v)
}

// blast has the bare client send, in a process of its own.
func blast(ctx context.Context, v volley) (volley, error) {
	cmd, in, out, err := startChild(ctx, "-child-blast")
	if err != nil {
		return v, err
	}
	if err := json.NewEncoder(in).Encode(v); err != nil {
		return v, err
	}
	if err := json.NewDecoder(out).Decode(&v); err != nil {
		_ = in.Close()
		_ = cmd.Wait() // the error is what counts
		return v, fmt.Errorf("the bare client: %w", err)
	}
	_ = in.Close()
	return v, cmd.Wait()
}
