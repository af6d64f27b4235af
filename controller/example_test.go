package controller_test

import (
	"fmt"
	"time"

	"sluice/controller"
)

// A batch system of which the controller asks for 30 running slots per 100
// pending ones.
func Example() {
	c, err := controller.New(controller.DefaultConfig())
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Unix(0, 0)
	for _, load := range []controller.Load{
		{Pending: 130, FirstNeed: 1},
		{Pending: 130, FirstNeed: 1, Supply: 31, InFlight: 31},
		{Running: 31, Pending: 99, FirstNeed: 1, Supply: 31},
		{},
	} {
		now = now.Add(time.Second)
		rec, err := c.Step(now, load)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("running %d, pending %d: goal %d (%v)\n", rec.Running, rec.Pending, rec.Goal, rec.Saturation)
	}
	// Output:
	// running 0, pending 130: goal 30 (none)
	// running 0, pending 130: goal 30 (none)
	// running 31, pending 99: goal 30 (none)
	// running 0, pending 0: goal 0 (idle)
}

// A promise of a slowdown is a target: waiting as long as running is 1.
func ExampleTargetForSlowdown() {
	target, err := controller.TargetForSlowdown(2)
	fmt.Println(target, err)
	_, err = controller.TargetForSlowdown(1)
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// invalid setting: target-slowdown 1: must be more than 1, as in 2 for waiting as long as running
}

// An intent in place of a target: jobs that run 20 minutes and may wait for 10 need a target of 2, and a little in hand.
func ExampleOuter() {
	limits := controller.DefaultOuterConfig()
	limits.Intent = controller.Intent{Wait: 10 * time.Minute}
	outer, err := controller.NewOuter(limits, time.Second, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	told := controller.Evidence{Finished: 100, FinishedSlots: 400, RunSlotSeconds: 400 * 1200}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 600 {
		now = now.Add(time.Second)
		record := controller.Record{At: now, Load: controller.Load{Supply: 50}, Goal: 50} // of Controller.Step
		outer.Step(&record, time.Second, &told)
	}
	fmt.Printf("%v: target %.2f, %s\n", limits.Intent, outer.Last().Target, outer.Last().Reason)
	// Output:
	// wait<=10m: target 2.08, the target that the intent needs
}
