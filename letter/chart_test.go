package letter_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"

	"listd/letter"
)

func draw(t *testing.T, c letter.Chart) (image.Image, letter.Picture) {
	t.Helper()
	p, err := c.Picture()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	return img, p
}

func TestCharts(t *testing.T) {
	t.Parallel()
	many := make([]float64, 1000)
	for i := range many {
		many[i] = float64(i % 7)
	}
	for _, c := range []struct {
		name  string
		chart letter.Chart
		w     int
		alt   string
	}{
		{"bars", letter.Chart{Caption: "Posts", Labels: []string{"a", "b"}, Values: []float64{1, 2.5}}, 1200, "Posts: a 1, b 2.5"},
		{"line", letter.Chart{Kind: letter.LineChart, Unit: "%", Values: []float64{99.4, 98}}, 1200, "99.4%, 98%"},
		{"spark", letter.Chart{Kind: letter.Spark, Values: []float64{3, 1, 2}}, 600, "3, 1, 2"},
		{"one", letter.Chart{Values: []float64{7}}, 1200, "7"},
		{"none", letter.Chart{}, 1200, ""},
		{"zeros", letter.Chart{Values: []float64{0, 0}}, 1200, "0, 0"},
		{"below zero", letter.Chart{Values: []float64{-3, 4}, Unit: "members"}, 1200, "-3 members, 4 members"},
		{"no numbers", letter.Chart{Kind: letter.LineChart, Values: []float64{math.NaN(), math.Inf(1), 1}}, 1200, "0, 0, 1"},
		{"huge", letter.Chart{Values: []float64{1e300, math.MaxFloat64}}, 1200, ""},
		{"tiny", letter.Chart{Kind: letter.Spark, Values: []float64{5e-324, 0}}, 600, "0, 0"},
		{"many", letter.Chart{Kind: letter.LineChart, Values: many}, 1200, "400 values from 0 to 6, the last 5"},
		{"more labels than values", letter.Chart{Labels: []string{"a", "b", "c"}, Values: []float64{1}}, 1200, "a 1"},
		{"labels that the font lacks", letter.Chart{Labels: []string{"日曜", "月曜"}, Values: []float64{1, 2}}, 1200, "日曜 1, 月曜 2"},
		{"long labels", letter.Chart{Labels: []string{strings.Repeat("long ", 90), "b"}, Values: []float64{1, 2}}, 1200, ""},
	} {
		img, p := draw(t, c.chart)
		if _, again := draw(t, c.chart); !bytes.Equal(p.Data, again.Data) || p.CID != again.CID || p.Type != "image/png" {
			t.Errorf("%s: other bytes for the same numbers", c.name)
		}
		if img.Bounds().Dx() != c.w || len(p.Data) > 40_000 || c.alt != "" && p.Alt != c.alt {
			t.Errorf("%s: %v, %d bytes, %q", c.name, img.Bounds(), len(p.Data), p.Alt)
		}
	}
}

// TestChartShowsItsNumbers finds the bars by their colour: each is as high as its value.
func TestChartShowsItsNumbers(t *testing.T) {
	t.Parallel()
	img, _ := draw(t, letter.Chart{Values: []float64{10, 20, 0, 40}})
	heights := map[int]int{}
	for i := range 4 {
		x := 110 + (1200-110)*(2*i+1)/8
		for y := range img.Bounds().Dy() {
			if c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA); c.A == 255 && c.B > 200 {
				heights[i]++
			}
		}
	}
	if near := func(a, b int) bool { return a-b < 5 && b-a < 5 }; !near(2*heights[0], heights[1]) || !near(2*heights[1], heights[3]) || heights[2] != 0 || heights[3] < 200 {
		t.Errorf("heights %v", heights)
	}
}

// TestChartOnAnyBackground computes the contrast of each ink with white and with the dark that letters and mail programs have: 3 for what is drawn
// (WCAG 2.1 section 1.4.11), and 4 for type, the most there is for a colour that must do on both.
func TestChartOnAnyBackground(t *testing.T) {
	t.Parallel()
	img, _ := draw(t, letter.Chart{Labels: []string{"a", "b"}, Values: []float64{1, 2}})
	seen := map[string]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA); c.A == 255 {
				seen[fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)] = true
			}
		}
	}
	if len(seen) < 2 || len(seen) > 3 {
		t.Errorf("inks %v", seen)
	}
	for ink := range seen {
		want := 3.0
		if ink == "#757d8a" {
			want = 4
		}
		for _, back := range []string{"#ffffff", "#1a1e25", "#101318", "#000000"} {
			if c := contrast(t, ink, back); c < want {
				t.Errorf("%s on %s: %.2f", ink, back, c)
			}
		}
	}
}

// TestBlocks are the texts of components.
func TestBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		block letter.Block
		text  string
	}{
		{letter.Button{Label: "Go", URL: "https://example.org/"}, "Go:\n  https://example.org/\n"},
		{letter.Button{Label: "Go", URL: "javascript:x"}, "Go\n"},
		{letter.Plain("a\nb\n\n  as  it is\n\nhttps://example.org/."), "a b\n\n  as  it is\n\nhttps://example.org/.\n"},
		{letter.Numbers{Caption: "N", Head: []string{"a", "b"}, Rows: [][]string{{"x", "1"}, {"y"}}}, "N\n\na  b\n-  -\nx  1\ny\n"},
		{letter.Figures{{"3", "posts", ""}, {"12", "people", "2 new"}}, " 3  posts\n12  people (2 new)\n"},
		{letter.Bars{Caption: "B", Unit: "posts", Bars: []letter.Bar{{"ann", 2}, {"bob", 1}, {"c", -1}}}, "B\n\nann   2 posts  " + strings.Repeat("#", 28) + "\nbob   1 posts  " + strings.Repeat("#", 14) + "\nc    -1 posts\n"},
		{letter.Image{Picture: letter.Picture{CID: "a@b", Alt: "A  map"}}, "[A map]\n"},
		{letter.Image{}, ""},
		{letter.Chart{Kind: letter.Spark, Caption: "S", Values: []float64{1}}, "S: 1\n"},
		{letter.Chart{}, ""},
		{letter.Card{Title: "T", Meta: "m", Body: "> b", URL: "https://example.org/"}, "* T\n  m\n  > b\n  https://example.org/\n"},
		{letter.Card{Title: "T"}, "* T\n"},
	} {
		p, err := letter.Render(letter.Write("x", "", "", "{{.B}}", ""), map[string]any{"B": c.block})
		if err != nil || p.Text != c.text {
			t.Errorf("%#v is\n%s%v, want\n%s", c.block, p.Text, err, c.text)
		}
	}
}
