package digest

import (
	"fmt"

	"listd/letter"
)

// The texts that a list may have in place of a template.
const (
	RoundupText = "roundup"
	ReportText  = "report"
)

// Texts are the names of these texts.
func Texts() []string { return []string{ReportText, RoundupText} }

// BuiltInText is a template as listd brings it.
func BuiltInText(name string) (string, error) {
	t, err := letter.BuiltIn(name)
	return t.Text, err
}

// CheckText says what is wrong with a text that is to take the place of a template, or nil.
func CheckText(name, text string) error {
	shape, err := letter.Shape(name)
	if err != nil {
		return err
	}
	return letter.Check(text, shape)
}

// render renders with a list's own template, if it has one. It was right when it was saved; where it is no more, the
// built-in one serves: readers shall not miss a letter over it.
func render(name, own string, data any) (letter.Parts, error) {
	if own != "" {
		if parts, err := letter.Render(letter.Template{Name: name, Text: own}, data); err == nil {
			return parts, nil
		}
	}
	t, err := letter.BuiltIn(name)
	if err != nil {
		return letter.Parts{}, err
	}
	parts, err := letter.Render(t, data)
	if err != nil {
		return letter.Parts{}, fmt.Errorf("%s: %w", name, err)
	}
	return parts, nil
}
