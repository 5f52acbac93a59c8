package letter_test

import (
	"strings"
	"testing"

	"listd/letter"
)

// secretive has what templates must not reach.
type secretive struct {
	Name   string
	hidden string
	Inner  struct{ Deep string }
	Items  []item
	Nested map[string]any
	Func   func() string
	Ptr    *item
}

type item struct{ Title string }

// Method must never be called by a template.
func (secretive) Method() string { panic("a template has called a method") }

// String must not be asked either.
func (item) String() string { panic("a template has asked for String") }

func sample() secretive {
	s := secretive{Name: "Ann *the* <b>", hidden: "x", Items: []item{{"One"}, {"Two"}}, Nested: map[string]any{"Key": 3, "Half": 0.5, "No": false}, Ptr: &item{"Three"}}
	s.Inner.Deep = "deep"
	return s
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{"Dear {{.Name}}", "Dear Ann *the* <b>\n"},
		{"{{ .Inner.Deep }}{{.Nested.Key}} {{.Nested.Half}} {{.Nested.No}} {{.Ptr.Title}}", "deep3 0.5 no Three\n"},
		{"{{if .Name}}yes{{else}}no{{end}} {{if not .Name}}yes{{else}}no{{end}} {{if .Nested.No}}yes{{end}}", "yes no\n"},
		{"{{range .Items}}{{.Title}} of {{$.Name}}; {{end}}", "One of Ann *the* <b>; Two of Ann *the* <b>;\n"},
		{"a\n{{range .Items}}\n- {{.Title}}\n{{end}}\n\nb", "a\n\n* One\n* Two\n\nb\n"},
		{"{{/* a comment\nof two lines */}}\nx{{/* }} */}}y", "xy\n"},
		{`{{"{{.Name}} is a *field*"}}`, "{{.Name}} is a *field*\n"},
		{`{{or .Nested.No "a \"word\""}} {{or .Name "x"}}`, "a \"word\" Ann *the* <b>\n"},
		{"| a |\n|---|\n{{range .Items}}\n| {{.Title}} |\n{{end}}", "a\n---\nOne\nTwo\n"},
		{"{{range .Nested.None}}{{else}}none{{end}}", "none\n"},
		{"**{{.Name}}** `{{.Name}}` _{{.Inner.Deep}}_", "*Ann *the* <b>* `Ann *the* <b>` _deep_\n"},
		{"{{if .Name}}\n{{if .Inner.Deep}}\nboth\n{{end}}\n{{end}}\n", "both\n"},
	} {
		s := sample()
		s.Nested["None"] = []string{}
		p, err := letter.Render(letter.Write("x", "", "", c.body, ""), s)
		if err != nil || p.Text != c.want {
			t.Errorf("%q is %q, %v; want %q", c.body, p.Text, err, c.want)
		}
		if err := letter.Check("Subject: x\n\n"+c.body, s); err != nil {
			t.Errorf("Check(%q): %v", c.body, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"Dear {{.Name}}", "line 1: the first line must be Subject:"},
		{"Subject: x\n\n{{.Nmae}}", "line 3: .Nmae: there is no Nmae; there are .Func, .Inner, .Items, .Name, .Nested, .Ptr"},
		{"Subject: x\n\n{{.hidden}}", "line 3: .hidden: there is no hidden"},
		{"Subject: x\n\n{{.Method}}", "line 3: .Method: there is no Method"},
		{"Subject: x\n\n{{.Name.Len}}", "line 3: .Name.Len: there is no Len in a text"},
		{"Subject: x\n\n{{.Func}}", "line 3: .Func is of a kind that no template can show"},
		{"Subject: x\n\n{{.Items}}", "line 3: .Items is a list: name a field of it"},
		{"Subject: x\n\n{{.Inner}}", "line 3: .Inner is a record"},
		{"Subject: x\n\n{{range .Name}}{{end}}", "line 3: .Name is a text, no list"},
		{"Subject: x\n\n{{range .Items}}\n\n{{.Name}}{{end}}", "line 5: .Name: there is no Name; there are .Title"},
		{"Subject: x\n\n{{if .Nested.No}}{{.Nmae}}{{end}}", "line 3: .Nmae"}, // the example does not take this way
		{"Subject: x\n\n{{if .Name}}\n", "line 3: {{if}} or {{range}} without its {{end}}"},
		{"Subject: x\n\n{{end}}", "line 3: {{end}} without"},
		{"Subject: x\n\n{{else}}", "line 3: {{else}} without"},
		{"Subject: x\n\n{{if .Name}}{{else}}{{else}}{{end}}", "line 3: {{else}} without"},
		{"Subject: x\n\n{{.Name", "line 3: {{ without its }}"},
		{"Subject: x\n\n{{.Name\n}}", "line 3: {{ without its }}"},
		{"Subject: x\n\n{{printf \"%d\" .Name}}", "line 3: {{printf \"%d\" .Name}} is not understood; allowed are {{.Field}}"},
		{"Subject: x\n\n{{template \"x\"}} {{define \"x\"}} {{.Name | html}} {{$x := 1}} {{call .Func}} {{.Name.}} {{with .}}", "{{with .}} is not understood"},
		{"Subject: x\n\n{{or .Name}}", "want {{or .Field \"text\"}}"},
		{"Subject: x\n\n{{\"a}}", "line 3: {{ without its }}"},
		{"Subject: x\n\n\n::: buton x\n:::", "line 4: there is no component ::: buton; there are button, card, small"},
		{"Subject: x\n\n::: button x\n", "line 3: ::: button without its end"},
		{"Subject: x\n\n:::\n", "line 3: ::: ends a component, and none has begun"},
		{"Subject: x\n\n::: card\n::: card\n:::", "line 4: ::: card begins before"},
		{"Subject: x\n\n::: card\ntitel: x\n:::", `"titel: x" is none of title:`},
		{"Subject: {{if .Nested.No}}x{{end}}\n\nx", "the Subject is empty"},
		{"Subject: x\nFrom: y\n\nx", `"From: y" stands at the top`},
		{"Subject: x\n\n" + strings.Repeat("{{if .Name}}", 17) + strings.Repeat("{{end}}", 17), "more than 16"},
		{"Subject: x\n\n" + strings.Repeat("x", 64<<10), "may have 65536 bytes"},
		{"Subject: x\n\n{{.A.B.C.D.E.F.G.H.I}}", "not understood"},
		{"Subject: x\n\n{{.Nmae}}\n{{.Neam}}", "line 3: .Nmae: there is no Nmae; there are .Func, .Inner, .Items, .Name, .Nested, .Ptr\nline 4: .Neam"},
	} {
		if err := letter.Check(c.text, sample()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check(%q):\n%v, want\n%s", c.text, err, c.want)
		}
	}
	for _, b := range letter.BuiltIns() {
		shape, err := letter.Shape(b.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := letter.Check(b.Text, shape); err != nil || b.Version < 1 {
			t.Errorf("%s, version %d: %v", b.Name, b.Version, err)
		}
	}
	if _, err := letter.BuiltIn("x"); err == nil || !strings.Contains(err.Error(), "there are notice, report, roundup") {
		t.Error(err)
	}
	if _, err := letter.Shape("x"); err == nil {
		t.Error("there is a shape of nothing")
	}
}

// TestRenderErrors are those that only data shows.
func TestRenderErrors(t *testing.T) {
	t.Parallel()
	many := make([]int, 2000)
	for _, c := range []struct {
		body string
		data any
		want string
	}{
		{"{{.X}}", map[string]any{}, "line 5: .X: there is no X; there are none"},
		{"x {{.B}}", map[string]any{"B": letter.Button{}}, "a block (letter.Button) must stand alone in its line"},
		{"::: card\ntitle: x\n\nx {{.B}}\n:::", map[string]any{"B": letter.Numbers{}}, "must stand alone"},
		{"{{range .L}}{{range $.L}}x{{end}}{{end}}", map[string]any{"L": many}, "more than"},
		{strings.Repeat("[", 2001), nil, "more than 2000 brackets"},
		{"{{.X}}", nil, "there is no X"},
		{"{{.X}}", 3, "there is no X"},
		{"{{.C}}", map[string]any{"C": make(chan int)}, "no template can show"},
	} {
		if _, err := letter.Render(letter.Write("x", "", "", c.body, ""), c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.body, err, c.want)
		}
	}
}

// TestLimit drops the last sections first, and never what has no name.
func TestLimit(t *testing.T) {
	t.Parallel()
	var cards []letter.Card
	for range 400 {
		cards = append(cards, letter.Card{Title: "A thread", Meta: "3 posts", Body: "What it says.", URL: "https://lists.example.org/1"})
	}
	data := roundup()
	data.Threads, data.Events, data.Members, data.Links, data.Figures, data.Days, data.Places = cards, nil, "", nil, nil, letter.Bars{}, nil
	tmpl, err := letter.BuiltIn("roundup")
	if err != nil {
		t.Fatal(err)
	}
	p, err := letter.Render(tmpl, data)
	if err != nil {
		t.Fatal(err)
	}
	drop := p.Limit(letter.MaxHTML)
	if len(p.HTML) < letter.MaxHTML || len(drop) < 10 || drop[0].Name != "A thread" || drop[len(drop)-1].Name != "Still without an answer" {
		t.Fatalf("%d bytes, drop %d: %v", len(p.HTML), len(drop), drop)
	}
	data.Threads, data.Unanswered, data.Archive = cards[:len(cards)-(len(drop)-1)], nil, ""
	if p, err = letter.Render(tmpl, data); err != nil || len(p.HTML) > letter.MaxHTML || len(p.HTML) < letter.MaxHTML-2000 {
		t.Errorf("then it has %d bytes, %v", len(p.HTML), err)
	}
	if drop := p.Limit(letter.MaxHTML); len(drop) != 0 {
		t.Errorf("there is more to drop: %v", drop)
	}
	total := 0
	for _, s := range p.Sections {
		total += s.Bytes
	}
	if all := p.Limit(0); len(all) != len(p.Sections) && p.Sections[0].Name == "" && len(all) != len(p.Sections)-1 || total > len(p.HTML) {
		t.Errorf("sections %v", p.Sections)
	}
}
