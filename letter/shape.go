package letter

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// lookUp finds a field within data. Fields of structs and keys of maps are all it knows; methods it does not.
func lookUp(data any, path []string) (any, error) {
	v := reflect.ValueOf(data)
	for _, name := range path {
		v = bare(v)
		switch {
		case !v.IsValid():
			return nil, fmt.Errorf("there is no %s", name)
		case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
			item := v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key()))
			if !item.IsValid() {
				return nil, fmt.Errorf("there is no %s; there are %s", name, fieldsOf(v))
			}
			v = item
		case v.Kind() == reflect.Struct:
			f, ok := v.Type().FieldByName(name)
			if !ok || !f.IsExported() || len(f.Index) != 1 {
				return nil, fmt.Errorf("there is no %s; there are %s", name, fieldsOf(v))
			}
			v = v.FieldByIndex(f.Index)
		default:
			return nil, fmt.Errorf("there is no %s in %s", name, describe(v.Interface()))
		}
	}
	if v = bare(v); !v.IsValid() {
		return nil, nil
	}
	return v.Interface(), nil
}

// bare is what a pointer or an interface holds.
func bare(v reflect.Value) reflect.Value {
	for range maxPath {
		if v.Kind() != reflect.Pointer && v.Kind() != reflect.Interface {
			break
		}
		v = v.Elem()
	}
	return v
}

func isBlock(v reflect.Value) bool {
	switch v.Interface().(type) {
	case Block, Slot:
		return true
	}
	return false
}

// fieldsOf names what a struct or map has, for who has misspelt one.
func fieldsOf(v reflect.Value) string {
	var names []string
	switch v.Kind() {
	case reflect.Map:
		for _, k := range v.MapKeys() {
			names = append(names, "."+k.String())
		}
	case reflect.Struct:
		for f := range maps.Keys(structFields(v)) {
			names = append(names, "."+f)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func structFields(v reflect.Value) map[string]bool {
	out := map[string]bool{}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !f.Anonymous {
			out[f.Name] = true
		}
	}
	return out
}

// describe says in a word what a value is.
func describe(v any) string {
	if v == nil {
		return "nothing"
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		if isBlock(r) {
			return "a block"
		}
		return "a record"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "yes or no"
	default:
		if !showable(v) {
			return "of a kind that no template can show"
		}
		return "a number"
	}
}

// truth is whether {{if}} takes a value for true: it is not empty, zero, or no.
func truth(v any) bool {
	if v == nil {
		return false
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		return r.Len() > 0
	case reflect.String:
		return strings.TrimSpace(r.String()) != ""
	}
	return !r.IsZero()
}

// showable reports whether a value can stand in a letter.
func showable(v any) bool {
	if v == nil {
		return true
	}
	switch v.(type) {
	case Block, Slot:
		return true
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return true
	case reflect.Slice:
		return r.Type().Implements(reflect.TypeFor[Block]()) || r.Type().Elem().Implements(reflect.TypeFor[Block]())
	}
	return false
}

// plainValue is a value as text. No String method is asked.
func plainValue(v any) string {
	if v == nil {
		return ""
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		return oneLine(r.String())
	case reflect.Bool:
		if r.Bool() {
			return "yes"
		}
		return "no"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(r.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(r.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return formatNumber(r.Float())
	}
	return ""
}

// formatNumber is a number as people write it, with at most two decimals.
func formatNumber(f float64) string {
	s := strconv.FormatFloat(f, 'f', 2, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// Check says what is wrong with a template, line by line, or nil. shape is an example of the data it will be rendered with:
// each field that it has may be used, and the first item of each list shows what the others are like. What is well-formed
// is also rendered with it once.
func Check(text string, shape any) error {
	nodes, errs := parse(text)
	c := checker{root: shape, errs: errs}
	c.nodes(nodes, shape)
	c.directives(text)
	if !strings.HasPrefix(strings.TrimLeft(text, "\r\n"), "Subject:") {
		c.errs = append(c.errs, lineError{1, "the first line must be Subject: and the subject"})
	}
	if len(c.errs) > 0 {
		slices.SortStableFunc(c.errs, func(a, b error) int { return lineOf(a) - lineOf(b) })
		return joinErrors(c.errs)
	}
	_, err := render(text, shape)
	return err
}

func lineOf(err error) int {
	if e, ok := err.(lineError); ok {
		return e.line
	}
	return 0
}

// checker walks every branch of a template, also those that the example does not take.
type checker struct {
	root any
	errs []error
}

func (c *checker) fail(line int, format string, args ...any) {
	c.errs = append(c.errs, lineError{line, fmt.Sprintf(format, args...)})
}

func (c *checker) nodes(all []node, dot any) {
	for _, n := range all {
		c.node(n, dot)
	}
}

func (c *checker) node(n node, dot any) {
	if n.kind == literal || n.kind == field && n.path == nil && !n.root && n.text != "" {
		return
	}
	from := dot
	if n.root {
		from = c.root
	}
	v, err := lookUp(from, n.path)
	if err != nil {
		c.fail(n.line, "%s: %v", n.name(), err)
		return
	}
	switch n.kind {
	case field:
		if !showable(v) {
			c.fail(n.line, "%s is %s: name a field of it, or use it in {{range}} or {{if}}", n.name(), describe(v))
		}
	case cond:
		c.nodes(n.yes, dot)
		c.nodes(n.alt, dot)
	case loop:
		list := reflect.ValueOf(v)
		if k := list.Kind(); k != reflect.Slice && k != reflect.Array {
			c.fail(n.line, "%s is %s, no list for {{range}}", n.name(), describe(v))
			return
		}
		var item any
		if list.Len() > 0 {
			item = list.Index(0).Interface()
		} else {
			item = reflect.Zero(list.Type().Elem()).Interface()
		}
		c.nodes(n.yes, item)
		c.nodes(n.alt, dot)
	}
}

// directives looks at the lines that begin and end components.
func (c *checker) directives(text string) {
	began, name := 0, ""
	n := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		n++
		what, _, ok := cutDirective(line)
		switch {
		case !ok:
		case what == "" && began == 0:
			c.fail(n, "::: ends a component, and none has begun")
		case what == "":
			began = 0
		case began > 0:
			c.fail(n, "::: %s begins before the ::: %s of line %d has its end", short(what), name, began)
		case !slices.Contains(components(), what):
			c.fail(n, "there is no component ::: %s; there are %s", short(what), strings.Join(components(), ", "))
		default:
			began, name = n, what
		}
	}
	if began > 0 {
		c.fail(began, "::: %s without its end, a line with ::: alone", name)
	}
}
