package letter

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// A picture of a chart is twice as wide as it is shown, for screens with small pixels, and still to be read on a
// telephone. Sizes are in its pixels.
const (
	chartWidth  = 1200
	chartHeight = 500
	sparkHeight = 150
	letterSize  = 34 // of type
	levels      = 16 // of opacity, of each ink
)

// The inks of a chart: they stand out from white and from near black alike, since nobody knows which is behind the picture.
const (
	inkGrid = iota
	inkShape
	inkType
	inks
)

func inkColours() [inks]color.NRGBA {
	return [inks]color.NRGBA{{0x80, 0x88, 0x94, 0xff}, {0x3d, 0x7d, 0xe8, 0xff}, {0x75, 0x7d, 0x8a, 0xff}}
}

// canvas is a transparent picture: a layer of opacity for each ink.
type canvas struct {
	w, h   int
	layers [inks]*image.Alpha
	face   font.Face
	font   *sfnt.Font
}

func newCanvas(w, h int) (*canvas, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("the font of charts: %w", err)
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: letterSize, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("the font of charts: %w", err)
	}
	c := &canvas{w: w, h: h, face: face, font: f}
	for i := range c.layers {
		c.layers[i] = image.NewAlpha(image.Rect(0, 0, w, h))
	}
	return c, nil
}

// point is a place in the picture, from its upper left corner.
type point struct{ x, y float64 }

// fill fills an outline with an ink.
func (c *canvas) fill(ink int, outline ...point) {
	low, high := outline[0], outline[0]
	for _, p := range outline {
		low.x, low.y = math.Min(low.x, p.x), math.Min(low.y, p.y)
		high.x, high.y = math.Max(high.x, p.x), math.Max(high.y, p.y)
	}
	box := image.Rect(int(low.x)-1, int(low.y)-1, int(high.x)+2, int(high.y)+2).Intersect(image.Rect(0, 0, c.w, c.h))
	if box.Empty() {
		return
	}
	z := vector.NewRasterizer(box.Dx(), box.Dy())
	for i, p := range outline {
		x, y := float32(p.x-float64(box.Min.X)), float32(p.y-float64(box.Min.Y))
		if i == 0 {
			z.MoveTo(x, y)
		} else {
			z.LineTo(x, y)
		}
	}
	z.ClosePath()
	z.Draw(c.layers[ink], box, image.Opaque, image.Point{})
}

// column is a bar with a round top.
func (c *canvas) column(left, top, right, bottom float64) {
	if bottom-top < 0.5 {
		return
	}
	r := math.Min(8, math.Min((right-left)/2, bottom-top))
	var out []point
	for i := 0; i <= 8; i++ {
		a := math.Pi + float64(i)*math.Pi/16
		out = append(out, point{left + r + r*math.Cos(a), top + r + r*math.Sin(a)})
	}
	for i := 0; i <= 8; i++ {
		a := 1.5*math.Pi + float64(i)*math.Pi/16
		out = append(out, point{right - r + r*math.Cos(a), top + r + r*math.Sin(a)})
	}
	c.fill(inkShape, append(out, point{right, bottom}, point{left, bottom})...)
}

// stroke draws a line through points.
func (c *canvas) stroke(ink int, width float64, through []point) {
	for i := 1; i < len(through); i++ {
		a, b := through[i-1], through[i]
		d := math.Hypot(b.x-a.x, b.y-a.y)
		if d == 0 {
			continue
		}
		nx, ny := (b.y-a.y)/d*width/2, (a.x-b.x)/d*width/2
		c.fill(ink, point{a.x + nx, a.y + ny}, point{b.x + nx, b.y + ny}, point{b.x - nx, b.y - ny}, point{a.x - nx, a.y - ny})
	}
	if ink == inkShape {
		for _, p := range through {
			c.dot(p, width/2)
		}
	}
}

// dot draws a disc.
func (c *canvas) dot(at point, r float64) {
	var out []point
	for i := range 24 {
		a := float64(i) * math.Pi / 12
		out = append(out, point{at.x + r*math.Cos(a), at.y + r*math.Sin(a)})
	}
	c.fill(inkShape, out...)
}

// measure is how wide a text is; not ok if the font cannot write it.
func (c *canvas) measure(s string) (w float64, ok bool) {
	var buf sfnt.Buffer
	for _, r := range s {
		if i, err := c.font.GlyphIndex(&buf, r); err != nil || i == 0 {
			return 0, false
		}
	}
	return float64(font.MeasureString(c.face, s)) / 64, true
}

// write writes a text whose baseline begins at a point, or ends, or has it in the middle: align is 0, 1 or 0.5.
func (c *canvas) write(s string, at point, align float64) {
	w, ok := c.measure(s)
	if !ok {
		return
	}
	d := font.Drawer{Dst: c.layers[inkType], Src: image.Opaque, Face: c.face,
		Dot: fixed.Point26_6{X: fixed.Int26_6((at.x - align*w) * 64), Y: fixed.Int26_6(at.y * 64)}}
	d.DrawString(s)
}

// encode makes a PNG of the layers: a colour of the palette for each ink and opacity, so that it is small.
func (c *canvas) encode() ([]byte, error) {
	palette := color.Palette{color.NRGBA{}}
	for _, ink := range inkColours() {
		for l := 1; l < levels; l++ {
			ink.A = uint8(l * 255 / (levels - 1))
			palette = append(palette, ink)
		}
	}
	out := image.NewPaletted(image.Rect(0, 0, c.w, c.h), palette)
	for i := range out.Pix {
		for ink := inks - 1; ink >= 0; ink-- {
			if l := (int(c.layers[ink].Pix[i])*(levels-1) + 127) / 255; l > 0 {
				out.Pix[i] = uint8(1 + ink*(levels-1) + l - 1)
				break
			}
		}
	}
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(&b, out); err != nil {
		return nil, fmt.Errorf("a chart: %w", err)
	}
	return b.Bytes(), nil
}

// Picture draws the chart, 1200 pixels wide, to be shown at half of that or less; a Spark is 600 by 75.
func (c Chart) Picture() (Picture, error) {
	w, h := chartWidth, chartHeight
	if c.Kind == Spark {
		w, h = chartWidth/2, sparkHeight/2
	}
	if len(c.Values) > maxPoints {
		c.Values = c.Values[len(c.Values)-maxPoints:]
		c.Labels = c.Labels[max(0, len(c.Labels)-maxPoints):]
	}
	cv, err := newCanvas(w, h)
	if err != nil {
		return Picture{}, err
	}
	if c.Kind == Spark {
		cv.spark(c.Values)
	} else {
		cv.chart(c)
	}
	data, err := cv.encode()
	if err != nil {
		return Picture{}, err
	}
	return Picture{CID: contentID(data), Type: "image/png", Data: data, Alt: c.describe()}, nil
}

// steps are the values at which lines are drawn, round ones, from the least value to the greatest. Bars begin at zero, and
// so does a line unless it never comes near.
func steps(vals []float64, bars bool) []float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range vals {
		low, high = math.Min(low, finite(v)), math.Max(high, finite(v))
	}
	if bars || low < high/2 {
		low, high = math.Min(low, 0), math.Max(high, 0)
	}
	if high == low {
		high = low + 1
	}
	raw := (high - low) / 4
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * unit
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*unit >= raw && (m != 2.5 || unit >= 10) {
			step = m * unit
			break
		}
	}
	var out []float64
	for k := math.Floor(low / step); k <= math.Ceil(high/step) && len(out) < 12; k++ {
		out = append(out, k*step)
	}
	return out
}

// compact is a number for an axis.
func compact(f float64) string {
	switch a := math.Abs(f); {
	case a >= 1e9:
		return fmt.Sprintf("%.3g", f)
	case a >= 1e6:
		return formatNumber(f/1e6) + "M"
	case a >= 1e4:
		return formatNumber(f/1e3) + "k"
	case a < 0.01 && a > 0:
		return fmt.Sprintf("%.2g", f)
	}
	return formatNumber(f)
}

// chart draws axes, bars or a line, and labels.
func (c *canvas) chart(of Chart) {
	ticks := steps(of.Values, of.Kind == BarChart)
	left := 0.0
	for _, t := range ticks {
		w, _ := c.measure(compact(t))
		left = math.Max(left, w+18)
	}
	const top, right = 52.0, chartWidth - 6.0
	bottom := float64(c.h) - 60
	low, high := ticks[0], ticks[len(ticks)-1]
	y := func(v float64) float64 { return bottom - (finite(v)-low)/(high-low)*(bottom-top) }
	for _, t := range ticks {
		at, thick := math.Round(y(t)), 1.0
		if t == 0 || t == low {
			thick = 3
		}
		c.fill(inkGrid, point{left, at - thick/2}, point{right, at - thick/2}, point{right, at + thick/2}, point{left, at + thick/2})
		c.write(compact(t), point{left - 14, at + letterSize*0.35}, 1)
	}
	slot := (right - left) / float64(len(of.Values))
	x := func(i int) float64 { return left + slot*(float64(i)+0.5) }
	if of.Kind == BarChart {
		for i, v := range of.Values {
			half := math.Max(1, math.Min(slot*0.36, 60))
			up, down := math.Min(y(v), y(0)), math.Max(y(v), y(0))
			c.column(x(i)-half, up, x(i)+half, down)
		}
	} else {
		var through []point
		for i, v := range of.Values {
			through = append(through, point{x(i), y(v)})
		}
		c.stroke(inkShape, 6, through)
		for _, p := range through {
			if len(through) <= 40 {
				c.dot(p, 9)
			}
		}
	}
	c.numbers(of, x, y, slot)
	c.labels(of.Labels, len(of.Values), x, bottom+46, left)
}

// numbers writes each value above its place, if there is room for all.
func (c *canvas) numbers(of Chart, x func(int) float64, y func(float64) float64, slot float64) {
	for _, v := range of.Values {
		if w, _ := c.measure(compact(v)); w > slot-8 {
			return
		}
	}
	for i, v := range of.Values {
		if v == 0 && of.Kind == BarChart {
			continue // where there is no bar there is nothing to say
		}
		base, rise := v, 22.0 // a number stands above its point, or its bar
		if of.Kind == BarChart {
			base, rise = 0, 14
		}
		c.write(compact(finite(v)), point{x(i), math.Min(y(v), y(base)) - rise}, 0.5)
	}
}

// labels writes as many labels as have room: the last one, and every so many before it.
func (c *canvas) labels(labels []string, n int, x func(int) float64, base, left float64) {
	widest := 0.0
	for i, l := range labels {
		if w, ok := c.measure(oneLine(l)); ok && i < n {
			widest = math.Max(widest, w)
		}
	}
	every := 1
	if n > 1 && widest > 0 {
		every = int(math.Ceil((widest + 24) / (x(1) - x(0))))
	}
	for i := n - 1; i >= 0; i -= max(1, every) {
		if i >= len(labels) {
			continue
		}
		l := oneLine(labels[i])
		w, _ := c.measure(l)
		at := math.Max(left+w/2-10, math.Min(x(i), chartWidth-4-w/2))
		c.write(l, point{at, base}, 0.5)
	}
}

// spark draws a line and its end.
func (c *canvas) spark(vals []float64) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range vals {
		low, high = math.Min(low, finite(v)), math.Max(high, finite(v))
	}
	if high == low {
		low, high = low-1, high+1
	}
	var through []point
	for i, v := range vals {
		at := point{10, float64(c.h) - 10 - (finite(v)-low)/(high-low)*float64(c.h-20)}
		if len(vals) > 1 {
			at.x += float64(i) / float64(len(vals)-1) * float64(c.w-20)
		}
		through = append(through, at)
	}
	c.stroke(inkShape, 4, through)
	if len(through) > 0 {
		c.dot(through[len(through)-1], 8)
	}
}
