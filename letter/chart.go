package letter

import (
	"fmt"
	"math"
	"strings"
)

// ChartKind is how a Chart shows its numbers.
type ChartKind uint8

// The kinds. A Spark is a line without axes, small enough for a sentence's height.
const (
	BarChart ChartKind = iota
	LineChart
	Spark
)

// Chart is a series of numbers as a picture, with its numbers in the text part and in the picture's description. The same
// numbers make the same bytes. Labels that the font cannot write are left out of the picture.
type Chart struct {
	Kind    ChartKind
	Caption string
	Unit    string
	Labels  []string
	Values  []float64
}

// maxPoints is how many numbers a chart has at most, maxDescribed how many its description tells.
const maxPoints, maxDescribed = 400, 16

func (c Chart) page(g *page) {
	if len(c.Values) == 0 {
		return
	}
	if c.Caption != "" && c.Kind != Spark {
		g.open("h3", g.roles.h3, "")
		g.add(esc(oneLine(c.Caption)), "</h3>\n")
	}
	p, err := c.Picture()
	if err != nil {
		if g.err == nil {
			g.err = err
		}
		return
	}
	width := maxPicture
	if c.Kind == Spark {
		width = maxPicture / 2
	}
	g.add("<p", g.roles.p.attrs(""), ">")
	g.picture(p, width)
	g.add("</p>\n")
}

func (c Chart) sheet(s *sheet) {
	if len(c.Values) == 0 {
		return
	}
	if c.Kind == Spark {
		s.para(c.describe())
		return
	}
	s.para(oneLine(c.Caption))
	s.bars(c.Labels, c.Values[:min(len(c.Values), maxPoints)], c.Unit)
}

// describe says what the chart shows: the alternative text.
func (c Chart) describe() string {
	var b strings.Builder
	if c.Caption != "" {
		b.WriteString(oneLine(c.Caption) + ": ")
	}
	if len(c.Values) > maxDescribed {
		low, high := c.Values[0], c.Values[0]
		for _, v := range c.Values {
			low, high = math.Min(low, finite(v)), math.Max(high, finite(v))
		}
		fmt.Fprintf(&b, "%d values from %s to %s, the last %s", len(c.Values), number(low, c.Unit), number(high, c.Unit), number(c.Values[len(c.Values)-1], c.Unit))
		return b.String()
	}
	for i, v := range c.Values {
		if i > 0 {
			b.WriteString(", ")
		}
		if i < len(c.Labels) && c.Labels[i] != "" {
			b.WriteString(oneLine(c.Labels[i]) + " ")
		}
		b.WriteString(number(v, c.Unit))
	}
	return b.String()
}
