// Package zk is what Sluice does with ZooKeeper: it finds the leading Mesos master, and it holds the lock that makes one of
// several instances of Sluice the leader. It is the only client of ZooKeeper; it knows neither the framework nor the batch
// system.
//
// # Detector
//
// Masters register at a path as ephemeral nodes json.info_NNNNNNNNNN; the lowest number leads. While ZooKeeper cannot be
// reached the last known leader stays the answer: a lost ZooKeeper says nothing about the master. Only another leader's
// registration says that the old one does not lead any more.
//
// # Election
//
//	            lowest of the line
//	Waiting ──────────────────────────> Leading
//	   ^                                 │   ^
//	   │ another                         │   │ connected again, and still the lowest,
//	   │ is ahead      no answer for     v   │ or the lowest anew
//	   └─────────────────────────────── Doubtful
//	             11/12 of the session's time
//
// Only Leading is the right to act. Doubtful begins before the session can have ended in ZooKeeper, by this machine's
// monotonic clock, counted from when the last request was sent that was answered: nobody else can lead before we have
// stopped, however long answers take. Each candidate watches the one before it, so that the end of one wakes one.
package zk
