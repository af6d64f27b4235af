package wire

import (
	"context"
	"net/http"

	"sluice/queue"
)

// GroupAction is what a GroupRequest does.
type GroupAction string

// The actions on job groups.
const (
	AddGroup    GroupAction = "add"    // makes Name with Limit
	LimitGroup  GroupAction = "limit"  // gives Name Limit
	RemoveGroup GroupAction = "remove" // removes Name and those below it
	// CleanGroups removes the empty ones of Owner, which is the caller for "" and everyone for "all". With a Name it is about that group
	// and those below it; for "" then of an administrator, of everyone.
	CleanGroups GroupAction = "clean"
)

// GroupRequest is the body of POST /v1/groups.
type GroupRequest struct {
	Action GroupAction `json:"action"`
	Name   string      `json:"name,omitempty"`
	Owner  string      `json:"owner,omitempty"`
	Limit  *int        `json:"limit,omitempty"` // nil = none
}

// GroupChange is the answer.
type GroupChange struct {
	Removed []string `json:"removed,omitempty"` // by CleanGroups
}

// Groups are the job groups, each before those below it.
func (c *Client) Groups(ctx context.Context) ([]queue.GroupInfo, error) {
	return fetch[[]queue.GroupInfo](ctx, c, http.MethodGet, "/v1/groups", nil)
}

// ChangeGroups makes, changes or removes job groups.
func (c *Client) ChangeGroups(ctx context.Context, ask GroupRequest) (GroupChange, error) {
	return fetch[GroupChange](ctx, c, http.MethodPost, "/v1/groups", ask)
}
