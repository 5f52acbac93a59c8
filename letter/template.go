package letter

import (
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed templates
var builtIns embed.FS

// Template is what a letter is made of: lines Subject:, Preheader: and Language:, an empty line, and Markdown; below a line
// "-- " the small print. In it may stand
//
//	{{.Field}} {{.Record.Field}} {{$.Field}}   a value, always as text; of the data itself within {{range}}
//	{{or .Field "friend"}}                     the same, or else a text
//	{{if .Field}} {{if not .Field}} {{range .Items}} {{else}} {{end}} {{/* comment */}}
//	{{.Chart}}                                 a Block, alone in its line
//
// and components, which begin with a line ::: button URL, ::: card or ::: small and end with a line :::. A card begins with lines
// title:, meta:, url: and link:, an empty line, and its text. A list may have its own template in place of a built-in one: Version
// then tells which one it was made from.
type Template struct {
	Name    string
	Version int
	Text    string
}

// BuiltIn is a built-in template.
func BuiltIn(name string) (Template, error) {
	for _, t := range BuiltIns() {
		if t.Name == name {
			return t, nil
		}
	}
	var names []string
	for _, t := range BuiltIns() {
		names = append(names, t.Name)
	}
	return Template{}, fmt.Errorf("there is no template %q; there are %s", name, strings.Join(names, ", "))
}

// BuiltIns are all built-in templates. Their files are called NAME.VERSION.md.
func BuiltIns() []Template {
	files, _ := fs.Glob(builtIns, "templates/*.md") // the pattern is well-formed
	var out []Template
	for _, f := range files {
		text, err := builtIns.ReadFile(f)
		name, version, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(f, "templates/"), ".md"), ".")
		n, badVersion := strconv.Atoi(version)
		if err == nil && badVersion == nil {
			out = append(out, Template{Name: name, Version: n, Text: strings.ReplaceAll(string(text), "\r\n", "\n")})
		}
	}
	return out
}
