package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// profiler is a file that is added to cmd/listd while profiles are taken, and stands nowhere else.
//
//go:embed profiler.go.txt
var profiler []byte

// build makes the static binary, unless one was given.
func (b *bench) build(ctx context.Context) error {
	if b.listd != "" {
		return nil
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	dir := strings.TrimSpace(string(root))
	b.listd = filepath.Join(b.dir, "listd")
	args := []string{"build", "-trimpath", "-o", b.listd}
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o755); err != nil {
			return err
		}
		source, overlay := filepath.Join(b.dir, "profiler.go"), filepath.Join(b.dir, "overlay.json")
		replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, "cmd", "listd", "profiler.go"): source}})
		if err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(source, profiler, 0o644), os.WriteFile(overlay, replace, 0o644)); err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/listd")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build listd: %w\n%s", err, out)
	}
	return nil
}

const (
	domain = "lists.example.org"
	poster = "member000001@example.net" // the first of every list
)

// site is a listd of its own: folder, database, sink, server.
type site struct {
	b      *bench
	name   string
	dir    string
	port   string
	sink   *sinkProcess
	server *exec.Cmd
	ended  chan error
}

// newSite makes a site without lists and starts its sink.
func (b *bench) newSite(ctx context.Context, name string) (*site, error) {
	s, err := b.emptySite(ctx, name, "-child-sink")
	if err != nil {
		return nil, err
	}
	return s, s.configure("[http]\nlisten = \"\"\n")
}

// emptySite is a folder with a sink beside it, which is the child named.
func (b *bench) emptySite(ctx context.Context, name, sink string) (*site, error) {
	b.logf("%s …", name)
	s := &site{b: b, name: name, dir: filepath.Join(b.dir, name)}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	s.sink, err = startSink(ctx, sink)
	return s, err
}

// configure writes listd.toml; rest is what follows the tables that all sites have.
func (s *site) configure(rest string) error {
	toml := fmt.Sprintf("hostname = %q\ndatabase = \"listd.db\"\n[smtp]\nlisten = [%q]\n[delivery]\nrelay = %q\n",
		domain, s.addr(), s.sink.addr)
	return os.WriteFile(s.config(), []byte(toml+rest), 0o644)
}

func (s *site) config() string { return filepath.Join(s.dir, "listd.toml") }

func (s *site) addr() string { return net.JoinHostPort("127.0.0.1", s.port) }

// freePort is a port that was free a moment ago.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// close ends the site and removes it.
func (s *site) close() error {
	err := s.stop()
	return errors.Join(err, s.sink.stop(), os.RemoveAll(s.dir))
}

// command runs a command of listd on this site.
func (s *site) command(ctx context.Context, args ...string) error {
	_, err := s.output(ctx, args...)
	return err
}

// output runs a command of listd and returns what it prints.
func (s *site) output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.b.listd, append([]string{"--config", s.config()}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listd %s: %w\n%s%s", strings.Join(args, " "), err, out, said.Bytes())
	}
	return out, nil
}

// list makes a list with prefix, footer and a public archive.
func (s *site) list(ctx context.Context, name string, settings ...string) error {
	args := []string{"list", "create", name + "@" + domain, "--title", "A list"}
	for _, set := range append([]string{"subject_prefix=[" + name + "] ", "footer=The list {address}\nTo leave, write to {leave}", "archive=public"}, settings...) {
		args = append(args, "--set", set)
	}
	return s.command(ctx, args...)
}

// join imports n members and says how long that took.
func (s *site) join(ctx context.Context, list string, n int) (time.Duration, error) {
	var b bytes.Buffer
	b.WriteString("address,name\n")
	for i := range n {
		fmt.Fprintf(&b, "member%06d@example.net,Member %d\n", i+1, i+1)
	}
	file := filepath.Join(s.dir, "members.csv")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return 0, err
	}
	start := time.Now()
	err := s.command(ctx, "member", "import", list+"@"+domain, file)
	return time.Since(start), err
}

// serve starts the server and waits until it greets.
func (s *site) serve(ctx context.Context) error {
	logFile, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.CommandContext(ctx, s.b.listd, "--config", s.config(), "serve")
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if s.b.profile != "" {
		cmd.Env = append(os.Environ(), "LISTD_PROFILE="+filepath.Join(s.b.profile, s.name))
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.server, s.ended = cmd, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	for range 500 {
		select {
		case err := <-s.ended:
			s.server = nil
			return fmt.Errorf("listd serve has ended: %w\n%s", err, s.log())
		case <-time.After(20 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", s.addr()); err == nil {
			return c.Close()
		}
	}
	return errors.New("listd serve does not listen")
}

// log is the end of the server's log.
func (s *site) log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(len(b)-2000, 0):])
}

// stop ends the server in good order.
func (s *site) stop() error {
	if s.server == nil {
		return nil
	}
	err := s.server.Process.Signal(syscall.SIGTERM)
	if err == nil {
		select {
		case err = <-s.ended:
		case <-time.After(30 * time.Second):
			err = errors.Join(errors.New("listd serve does not end"), s.server.Process.Kill(), <-s.ended)
		}
	}
	s.server = nil
	return err
}

// profiling starts or ends a CPU profile, if profiles are wanted.
func (s *site) profiling(on bool) error {
	if s.b.profile == "" {
		return nil
	}
	if on {
		return s.server.Process.Signal(syscall.SIGUSR1)
	}
	return s.server.Process.Signal(syscall.SIGUSR2)
}

// cpu is the CPU time the server has used, in seconds.
func (s *site) cpu() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.server.Process.Pid))
	if err != nil {
		return 0, err
	}
	return cpuSeconds(string(b))
}

// cpuSeconds reads utime and stime of /proc/PID/stat (proc_pid_stat(5)). The kernel shows them in hundredths of a
// second on every architecture (USER_HZ).
func cpuSeconds(stat string) (float64, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // from the third field on
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat is cut short: %q", stat)
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return float64(ticks) / 100, nil
}

// memory is the server's memory now and at its peak, in MB (10^6 bytes).
func (s *site) memory() (now, peak float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.server.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		if err != nil {
			return 0, 0, err
		}
		if name == "VmRSS" {
			now = kib * 1024 / 1e6
		} else {
			peak = kib * 1024 / 1e6
		}
	}
	return now, peak, nil
}
