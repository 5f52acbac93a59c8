package config

import (
	_ "embed"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// example is the text that Template fills in. A test holds it against Default.
//
//go:embed listd.toml
var example string

// setting is a line of example with a key: an active one, or its default behind a #.
var setting = regexp.MustCompile(`^(#?)([a-z_]+) = (.*)$`)

// Template writes c as a commented listd.toml: what differs from the default is set, the rest is shown behind a #, so
// that an administrator sees what can be changed, and a better default of a later version reaches those who did not.
func Template(c Config) []byte {
	defaults, values := flatten(Default()), flatten(c)
	var b strings.Builder
	table := ""
	for line := range strings.Lines(example) {
		if strings.HasPrefix(line, "[") {
			table = strings.Trim(strings.TrimSpace(line), "[]") + "."
		}
		m := setting.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			b.WriteString(line)
			continue
		}
		key := table + m[2]
		if m[1] == "#" && values[key] == defaults[key] {
			b.WriteString(line)
			continue
		}
		fmt.Fprintf(&b, "%s = %s\n", m[2], values[key])
	}
	for _, m := range c.Mailboxes {
		b.WriteString("\n[[mailbox]]\n")
		given := reflect.ValueOf(m)
		for field, value := range reflect.ValueOf(DefaultMailbox()).Fields() {
			if v := given.FieldByIndex(field.Index).Interface(); v != value.Interface() {
				fmt.Fprintf(&b, "%s = %s\n", field.Tag.Get("toml"), literal(v))
			}
		}
	}
	return []byte(b.String())
}

// flatten returns every value of c, as TOML writes it, by its key from the root.
func flatten(c Config) map[string]string {
	flat := map[string]string{}
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for field, value := range v.Fields() {
			key := prefix + field.Tag.Get("toml")
			if value.Kind() == reflect.Struct {
				walk(key+".", value)
				continue
			}
			if isTables(value) {
				continue
			}
			flat[key] = literal(value.Interface())
		}
	}
	walk("", reflect.ValueOf(c))
	return flat
}

// literal writes v as TOML does.
func literal(v any) string {
	if list, ok := v.([]string); ok && len(list) == 0 {
		return "[]" // a nil one, too, which TOML has no word for
	}
	b, err := toml.Marshal(map[string]any{"v": v})
	if err != nil {
		panic(err) // unreachable: texts, numbers, truth values and lists of texts can all be written
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(b), "v = "), "\n")
}
