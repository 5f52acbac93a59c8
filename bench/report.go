package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is what was measured.
type report struct {
	Host    string   `json:"host"`
	FsyncMS float64  `json:"fsync_ms"` // to write 4 KiB and have them on the disk
	Figures []figure `json:"figures"`
}

// figure is one number: the median where it was measured several times.
type figure struct {
	Of    string  `json:"of"`    // the measurement
	Name  string  `json:"name"`  // what was measured
	Value float64 `json:"value"` // the median
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
	Unit  string  `json:"unit"`
	Floor *floor  `json:"floor,omitempty"` // nil: there is none
}

// floor is what a figure must reach.
type floor struct {
	Value float64 `json:"value"`
	Above bool    `json:"above"` // the figure must be at least that; else at most
	Met   bool    `json:"met"`
}

// atLeast and below are floors to come.
func atLeast(v float64) *floor { return &floor{Value: v, Above: true} }
func below(v float64) *floor   { return &floor{Value: v} }

// add notes a figure; several values are several rounds.
func (r *report) add(of, name, unit string, f *floor, values ...float64) {
	fig := figure{Of: of, Name: name, Unit: unit, Value: percentile(values, 0.5), Least: slices.Min(values), Most: slices.Max(values), Floor: f}
	if f != nil {
		f.Met = fig.Value <= f.Value
		if f.Above {
			f.Met = fig.Value >= f.Value
		}
	}
	r.Figures = append(r.Figures, fig)
}

// missed is an error that names the figures below their floors.
func (r *report) missed() error {
	var out []string
	for _, f := range r.Figures {
		if f.Floor != nil && !f.Floor.Met {
			out = append(out, f.Of+" "+f.Name)
		}
	}
	if len(out) > 0 {
		return fmt.Errorf("floors missed: %s", strings.Join(out, ", "))
	}
	return nil
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s; fsync %.2f ms\n\n", r.Host, r.FsyncMS)
	fmt.Fprintln(t, "measurement\tfigure\tmedian\tleast – most\tfloor\t")
	last := ""
	for _, f := range r.Figures {
		of := f.Of
		if of == last {
			of = ""
		}
		last = f.Of
		spread := ""
		if f.Least != f.Most {
			spread = number(f.Least) + " – " + number(f.Most)
		}
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\t\n", of, f.Name, number(f.Value), f.Unit, spread, f.Floor)
	}
	return t.Flush()
}

func (f *floor) String() string {
	if f == nil {
		return ""
	}
	sign, word := "≤", "met"
	if f.Above {
		sign = "≥"
	}
	if !f.Met {
		word = "MISSED"
	}
	return sign + " " + number(f.Value) + " " + word
}

// number writes v with three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// percentile is the value that the share p of the values does not exceed; 0 of none.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return v[min(int(p*float64(len(v))), len(v)-1)]
}
