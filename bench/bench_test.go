package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the processes that the benchmark starts, as its own binary is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if child, ok := children[os.Args[1]]; ok {
			exit(child(os.Stdin, os.Stdout))
		}
	}
	os.Exit(m.Run())
}

// TestBench runs every measurement on a site of a few members: the figures mean nothing, but all must arrive.
func TestBench(t *testing.T) {
	t.Parallel()
	tiny := sizes{rounds: 1, posts: 2, members: 7, signed: 2, signing: 10 * time.Millisecond, fewPosts: 1, many: 210, huge: 300, accept1: 2, accept8: 16,
		attachments: 2, attachmentBytes: 1 << 20, largeMembers: 2, largeBytes: 1 << 20, joined: 100, watched: 100 * time.Millisecond}
	b := &bench{size: tiny, errs: t.Output()}
	if err := b.measure(t.Context(), "", nil); err != nil {
		t.Fatal(err)
	}
	var table, object bytes.Buffer
	if err := b.report.table(&table); err != nil {
		t.Error(err)
	}
	if err := b.report.json(&object); err != nil {
		t.Error(err)
	}
	var back report
	if err := json.Unmarshal(object.Bytes(), &back); err != nil || len(back.Figures) != len(b.report.Figures) {
		t.Errorf("%d figures came back of %d: %v", len(back.Figures), len(b.report.Figures), err)
	}
	for _, m := range measurements {
		if !strings.Contains(table.String(), "\n"+m.name) {
			t.Errorf("the table says nothing of %s", m.name)
		}
	}
	for _, f := range b.report.Figures {
		switch {
		case f.Name == "recipients of a transaction" && strings.HasPrefix(f.Of, "deliver-none") && f.Value != 7,
			f.Name == "recipients of a transaction" && strings.HasPrefix(f.Of, "many-none") && f.Value != 70,
			f.Name == "recipients of a transaction" && strings.Contains(f.Of, "-full") && f.Value != 1:
			t.Errorf("%s: %v %s", f.Of, f.Value, f.Name)
		case f.Unit == "MB" && (f.Value < 1 || f.Value > 1000), strings.HasSuffix(f.Unit, "/s") && f.Unit != "ms/s" && f.Value <= 0:
			t.Errorf("%s: %s is %v %s", f.Of, f.Name, f.Value, f.Unit)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var r report
	r.add("a", "ratio", "", atLeast(0.4), 0.3, 0.5, 0.45)
	r.add("a", "time", "ms", below(50), 50.1)
	if f := r.Figures[0]; f.Value != 0.45 || f.Least != 0.3 || f.Most != 0.5 || !f.Floor.Met {
		t.Errorf("median, least, most, met: %+v", f)
	}
	if err := r.missed(); err == nil || err.Error() != "floors missed: a time" {
		t.Errorf("missed: %v", err)
	}
	var b strings.Builder
	if err := r.table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.450", "0.300 – 0.500", "≥ 0.400 met", "≤ 50 MISSED"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	v := make([]float64, 100)
	for i := range v {
		v[len(v)-1-i] = float64(i + 1)
	}
	for p, want := range map[float64]float64{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := percentile(v, p); got != want {
			t.Errorf("percentile(%v) = %v, want %v", p, got, want)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}

func TestCPUSeconds(t *testing.T) {
	t.Parallel()
	const stat = "42 (a (strange) name) S 1 42 42 0 -1 4194560 100 0 0 0 1234 66 0 0 20 0 8 0 100 1000 10"
	if got, err := cpuSeconds(stat); err != nil || got != 13 {
		t.Errorf("cpuSeconds = %v, %v; want 13", got, err)
	}
	if _, err := cpuSeconds("42 (x) S 1 2"); err == nil {
		t.Error("half a line is taken")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 70, 71, 100, 2048} {
		b := text(n)
		if d := n - len(b); d < 0 || d > 2 || len(b) > 0 && !bytes.HasSuffix(b, []byte("\r\n")) {
			t.Errorf("text(%d) is %d bytes: %q", n, len(b), b)
		}
	}
	if b := noise(1000); len(b) < 1000 || len(b) > 1078 || !bytes.HasSuffix(b, []byte("\r\n")) {
		t.Errorf("noise(1000) is %d bytes", len(b))
	}
}
