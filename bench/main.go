// Command bench measures listd as its users run it: the static binary, a site made by its own commands, posts that come
// in by SMTP, and a server on 127.0.0.1 that takes all that leaves. `make bench` runs it; docs/performance.md says what
// the figures mean.
//
// What depends on the machine is given as a ratio to a bare SMTP client, measured in the same run against the same
// server. Nothing leaves the machine, and all is bounded in number and in time.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		if child, ok := children[os.Args[1]]; ok { // a process that this one started
			exit(child(os.Stdin, os.Stdout))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is one run of the command.
type bench struct {
	dir     string // everything is below; removed at the end
	listd   string // the binary
	size    sizes
	profile string // a folder for CPU profiles of listd; empty: none
	errs    io.Writer
	report  report
}

// sizes are how much is done.
type sizes struct {
	rounds                           int           // of what is compared with the bare client
	posts, members                   int           // the main job
	signed                           int           // posts that leave signed: a signature costs more than all the rest
	signing                          time.Duration // bare signatures, before and after each round
	fewPosts, many, huge             int           // posts to many members; and one post to huge
	accept1, accept8                 int           // posts on one connection and on eight
	attachments, attachmentBytes     int           // connections at once
	largeMembers, largeBytes, joined int           // one large post; members of an import
	watched                          time.Duration // an idle server
}

var (
	fullSize = sizes{rounds: 3, posts: 50, members: 1000, signed: 2, signing: time.Second, fewPosts: 10, many: 10000, huge: 100000, accept1: 1000, accept8: 3000,
		attachments: 50, attachmentBytes: 20 << 20, largeMembers: 1500, largeBytes: 10 << 20, joined: 100000, watched: 5 * time.Second}
	quickSize = sizes{rounds: 1, posts: 10, members: 1000, signed: 1, signing: time.Second, fewPosts: 2, many: 5000, huge: 20000, accept1: 200, accept8: 400,
		attachments: 12, attachmentBytes: 20 << 20, largeMembers: 100, largeBytes: 10 << 20, joined: 10000, watched: 2 * time.Second}
)

// measurements are what can be asked for with -run, in this order.
var measurements = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"deliver-signed", (*bench).deliverSigned},
	{"deliver-none", (*bench).deliverNone},
	{"deliver-full", (*bench).deliverFull},
	{"many-none", (*bench).manyNone},
	{"many-full", (*bench).manyFull},
	{"accept", (*bench).accept},
	{"accept-busy", (*bench).acceptBusy},
	{"import", (*bench).importing},
	{"idle", (*bench).idle},
	{"huge", (*bench).hugeList},
	{"attachments", (*bench).attachments},
	{"large", (*bench).largePost},
}

// atMost bounds the whole run.
const atMost = 30 * time.Minute

func run(ctx context.Context, args []string, out, errs io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	which := flags.String("run", "", "what to measure, a regular expression (default: all; -ls names them)")
	ls := flags.Bool("ls", false, "name what can be measured")
	asJSON := flags.Bool("json", false, "print one JSON object instead of a table")
	quick := flags.Bool("quick", false, "small sizes, one round: to see that all works")
	rounds := flags.Int("rounds", 0, "how often to measure what is compared with the bare client (default 3; -quick 1)")
	strict := flags.Bool("strict", false, "fail if a figure misses its floor")
	profile := flags.String("profile", "", "write CPU profiles of listd into this folder; they cost it some per cent")
	binary := flags.String("listd", "", "measure this binary instead of one built from this source")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *ls {
		for _, m := range measurements {
			fmt.Fprintln(out, m.name)
		}
		return nil
	}
	wanted, err := regexp.Compile("^(?:" + *which + ")$")
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	b := &bench{size: fullSize, profile: *profile, errs: errs}
	if *quick {
		b.size = quickSize
	}
	if *rounds > 0 {
		b.size.rounds = *rounds
	}
	if b.listd, err = absolute(*binary); err != nil {
		return err
	}
	if b.profile, err = absolute(b.profile); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	if err := b.measure(ctx, *which, wanted); err != nil {
		return err
	}
	if *asJSON {
		err = b.report.json(out)
	} else {
		err = b.report.table(out)
	}
	if err == nil && *strict {
		err = b.report.missed()
	}
	return err
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

// measure does what is wanted, all in one temporary folder.
func (b *bench) measure(ctx context.Context, which string, wanted *regexp.Regexp) (err error) {
	if b.dir, err = os.MkdirTemp("", "listd-bench-"); err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(b.dir); err == nil {
			err = e
		}
	}()
	if err := b.build(ctx); err != nil {
		return err
	}
	b.report.Host = fmt.Sprintf("%s, %s/%s, %d CPUs", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if b.report.FsyncMS, err = fsyncTime(b.dir); err != nil {
		return err
	}
	b.logf("%s; an fsync takes %.2f ms", b.report.Host, b.report.FsyncMS)
	done := 0
	for _, m := range measurements {
		if which != "" && !wanted.MatchString(m.name) {
			continue
		}
		done++
		start := time.Now()
		if err := m.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		b.logf("%s took %.1f s", m.name, time.Since(start).Seconds())
	}
	if done == 0 {
		return fmt.Errorf("-run %s matches nothing; -ls names what there is", which)
	}
	return nil
}

// logf tells how far we are.
func (b *bench) logf(format string, args ...any) { fmt.Fprintf(b.errs, "bench: "+format+"\n", args...) }

// fsyncTime is the median time to write 4 KiB and have them on the disk, in ms: no post is accepted in less.
func fsyncTime(dir string) (float64, error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var took []float64
	page := make([]byte, 4096)
	for range 100 {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, ms(time.Since(start)))
	}
	return percentile(took, 0.5), nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
