package daemon

import (
	"net/http"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

func (d *Daemon) listGroups(w http.ResponseWriter, r *http.Request) {
	var groups []queue.GroupInfo
	err := d.read(r.Context(), func(q *queue.Queue, _ time.Time) error {
		groups = q.Groups()
		return nil
	})
	finish(w, groups, err)
}

func (d *Daemon) changeGroups(w http.ResponseWriter, r *http.Request) {
	var ask wire.GroupRequest
	if !decode(w, r, maxQueryBody, &ask) {
		return
	}
	by := actor(r)
	if ask.Action == wire.CleanGroups && ask.Name != "" && ask.Owner == "" && by.Admin {
		ask.Owner = allUsers
	}
	switch ask.Owner {
	case "":
		ask.Owner = by.User
	case allUsers:
		ask.Owner = ""
	}
	var done wire.GroupChange
	err := d.change(r.Context(), func(q *queue.Queue, now time.Time) (err error) {
		switch ask.Action {
		case wire.AddGroup:
			return q.AddGroup(now, by, ask.Name, ask.Limit)
		case wire.LimitGroup:
			return q.SetGroupLimit(now, by, ask.Name, ask.Limit)
		case wire.RemoveGroup:
			return q.RemoveGroup(now, by, ask.Name)
		case wire.CleanGroups:
			done.Removed, err = q.RemoveEmptyGroups(now, by, ask.Owner, ask.Name)
			return err
		}
		return &queue.Error{Kind: queue.KindInvalid, Subject: string(ask.Action), Text: "no such action on job groups: " + string(ask.Action)}
	})
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	wire.WriteJSON(w, http.StatusOK, done)
}
