package archive_test

import (
	"testing"

	"listd/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
