package mail_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"listd/mail"
)

const bounceDir = "testdata/bounces/"

// expectedReport is an entry of testdata/bounces/expected.txt.
type expectedReport struct {
	file, kind string
	failures   []string
}

func expectedReports(t testing.TB) (out []expectedReport) {
	t.Helper()
	b, err := os.ReadFile(bounceDir + "expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			last := &out[len(out)-1]
			last.failures = append(last.failures, line[1:])
		default:
			file, kind, _ := strings.Cut(line, " ")
			out = append(out, expectedReport{file: file, kind: kind})
		}
	}
	return out
}

func readReportFile(t testing.TB, name string) mail.Message {
	t.Helper()
	raw, err := os.ReadFile(bounceDir + name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.Read(bytes.NewReader(raw), mail.Limits{}, mail.Mend)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

func describeFailure(f mail.Failure) string {
	cause, status := "temporary", f.Status
	if f.Permanent {
		cause = "permanent"
	}
	if status == "" {
		status = "-"
	}
	return fmt.Sprintf("%s %s %s %s", f.Address, cause, f.Class, status)
}

// TestReadReportCorpus reads reports in the form that each server gives them, and what only looks like one.
func TestReadReportCorpus(t *testing.T) {
	t.Parallel()
	bounces, others := 0, 0
	for _, want := range expectedReports(t) {
		if want.kind == "bounce" {
			bounces++
		} else {
			others++
		}
		r := mail.ReadReport(readReportFile(t, want.file))
		var got []string
		for _, f := range r.Failures {
			got = append(got, describeFailure(f))
			if len(f.Why) > 300 || strings.ContainsAny(f.Why, "\r\n\t\x00") {
				t.Errorf("%s: Why is %q", want.file, f.Why)
			}
		}
		if r.Kind.String() != want.kind || strings.Join(got, "\n") != strings.Join(want.failures, "\n") {
			t.Errorf("%s is a %s of\n\t%s\nwant a %s of\n\t%s", want.file, r.Kind, strings.Join(got, "\n\t"), want.kind, strings.Join(want.failures, "\n\t"))
			for _, f := range r.Failures {
				t.Logf("why: %q", f.Why)
			}
		}
	}
	if bounces < 300 || others < 70 {
		t.Errorf("the corpus has %d bounces and %d others, want 300 and 70", bounces, others)
	}
}

func BenchmarkReadReport(b *testing.B) {
	var all []mail.Message
	size := int64(0)
	for _, e := range expectedReports(b) {
		m := readReportFile(b, e.file)
		all = append(all, m)
		size += m.Size()
	}
	b.SetBytes(size / int64(len(all)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mail.ReadReport(all[i%len(all)])
	}
}
