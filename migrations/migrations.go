// Package migrations holds the numbered SQL of both engines, embedded. It has no logic: store runs it.
// A file that has landed is never edited; a change is the next number.
package migrations

import "embed"

// SQLite and Postgres hold the files under the folders of these names.
//
//go:embed sqlite/*.sql
var SQLite embed.FS

// Postgres is the same schema in PostgreSQL's words.
//
//go:embed postgres/*.sql
var Postgres embed.FS
