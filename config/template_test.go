package config_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"listd/config"
)

func TestTemplateOfDefault(t *testing.T) {
	c := config.Default()
	c.Hostname, c.Owner = "lists.example.org", "admin@example.org"
	text := config.Template(c)
	got, err := config.Parse(text)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("Template parses as\n%+v, %v; want\n%+v\n%s", got, err, c, text)
	}
	if err := got.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	// What is shown behind a # is the default in truth, so that taking the # away changes nothing.
	shown := regexp.MustCompile(`(?m)^#([a-z_]+ = )`).ReplaceAll(text, []byte("$1"))
	got, err = config.Parse(shown)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("with every # taken away it parses as\n%+v, %v; want\n%+v", got, err, c)
	}
}

func TestTemplateTellsOfEveryKey(t *testing.T) {
	text := string(config.Template(config.Default()))
	tables := regexp.MustCompile(`(?m)^\[`).Split(text, -1)
	section := func(name string) string {
		for _, table := range tables {
			if strings.HasPrefix(table, name+"]") {
				return table
			}
		}
		return ""
	}
	keys := 0
	for field := range reflect.TypeFor[config.Config]().Fields() {
		if field.Type == reflect.TypeFor[[]config.Mailbox]() {
			tellsOfMailbox(t, text)
			continue
		}
		if field.Type.Kind() != reflect.Struct {
			keys += has(t, "", tables[0], field)
			continue
		}
		name := field.Tag.Get("toml")
		for inner := range field.Type.Fields() {
			keys += has(t, name+".", section(name), inner)
		}
	}
	if shown := len(regexp.MustCompile(`(?m)^#?[a-z_]+ = `).FindAllString(text, -1)); shown != keys {
		t.Errorf("the template shows %d keys, the struct has %d", shown, keys)
	}
}

func has(t *testing.T, table, text string, field reflect.StructField) int {
	key := field.Tag.Get("toml")
	if key == "" {
		t.Errorf("%s%s has no toml tag", table, field.Name)
	}
	if !regexp.MustCompile(`(?m)^#?` + regexp.QuoteMeta(key) + ` = `).MatchString(text) {
		t.Errorf("the template does not tell of %s%s", table, key)
	}
	return 1
}

// tellsOfMailbox: a mailbox has no default, so that all of it is shown as words, with the defaults of its keys.
func tellsOfMailbox(t *testing.T, text string) {
	t.Helper()
	_, shown, found := strings.Cut(text, "\n# [[mailbox]]\n")
	if !found {
		t.Fatal("the template does not tell of [[mailbox]]")
	}
	given := "[[mailbox]]\n"
	keys := 0
	for _, l := range regexp.MustCompile(`(?m)^# (([a-z_]+) = .*)$`).FindAllStringSubmatch(shown, -1) {
		if keys++; l[2] != "url" && l[2] != "user" && l[2] != "password_file" {
			given += l[1] + "\n"
		}
	}
	c, err := config.Parse([]byte(given))
	if err != nil || len(c.Mailboxes) != 1 || c.Mailboxes[0] != config.DefaultMailbox() {
		t.Errorf("what is shown is no default: %+v, %v", c.Mailboxes, err)
	}
	if has := reflect.TypeFor[config.Mailbox]().NumField(); keys != has {
		t.Errorf("%d keys of a mailbox are shown, it has %d", keys, has)
	}
}

// TestTemplateKeepsEveryValue sets each key to a value that is not its default.
func TestTemplateKeepsEveryValue(t *testing.T) {
	c := config.Default()
	var change func(v reflect.Value)
	change = func(v reflect.Value) {
		for _, f := range v.Fields() {
			switch f.Kind() {
			case reflect.Struct:
				change(f)
			case reflect.String:
				f.SetString("ü \"'\\ \t\n\r\x00\x7f # ] " + f.String())
			case reflect.Int, reflect.Int64:
				f.SetInt(f.Int() + 1e9)
			case reflect.Bool:
				f.SetBool(!f.Bool())
			case reflect.Slice:
				if f.Type() == reflect.TypeFor[[]config.Mailbox]() {
					m := config.DefaultMailbox()
					change(reflect.ValueOf(&m).Elem())
					m.Domain = "a.test"
					f.Set(reflect.ValueOf([]config.Mailbox{m, config.DefaultMailbox(), m}))
					continue
				}
				f.Set(reflect.ValueOf([]string{"a\"]", "b,\n"}))
			default:
				t.Fatalf("no value for a %v", f.Type())
			}
		}
	}
	change(reflect.ValueOf(&c).Elem())
	c.Hostname = "lists.test"
	text := config.Template(c)
	got, err := config.Parse(text)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("Template parses as\n%+v, %v; want\n%+v\n%s", got, err, c, text)
	}
	if strings.Contains(string(text), "\n#workers") {
		t.Error("a changed value stands behind a #")
	}
}

// The comments are read in terminals and mailed around: they stay narrow, and in ASCII.
func TestTemplateLines(t *testing.T) {
	for line := range strings.Lines(string(config.Template(config.Default()))) {
		if len(line) > 90 || strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
			t.Errorf("too wide, or not ASCII: %s", line)
		}
	}
}
