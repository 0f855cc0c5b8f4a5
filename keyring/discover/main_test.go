package discover

import (
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
