// Package attack tries what a tenant could do to an operator that others depend on, and says of each attempt how it ended,
// how long it took and how much memory the process needed.
//
// An attempt is one or several tests of the repository, of which most play attacker and victim themselves. What is here is
// which of them are about which attack, so that nobody has to look for it, and that one that is gone is missed.
package attack

import "slices"

// Attack is something that one tenant must not be able to do to another.
type Attack struct {
	Number int
	What   string
	Tests  []Tests
}

// Tests are tests of one package.
type Tests struct {
	Package string // below the root: pkg/analysis
	Names   string // a pattern, as go test -run has it
	Full    bool   // they need a control plane, or take longer than a short run has
}

// Attacks are all that are tried.
func Attacks() []Attack { return slices.Concat(onTheProcess(), onWorkers(), onAuthority()) }

// onTheProcess are those that would end it for everybody.
func onTheProcess() []Attack {
	return []Attack{
		{1, "inputs that make the operator panic", []Tests{
			{Package: "pkg/analysis", Names: "TestPanic|TestConditionFailsWhileItRuns|FuzzHookAnswers"},
			{Package: "pkg/metric", Names: "FuzzAnswers|FuzzPathAsTheLibrary"},
			{Package: "pkg/rollout", Names: "FuzzDecide"},
			{Package: "pkg/router", Names: "FuzzRender"},
			{Package: "pkg/template", Names: "FuzzAsTheLibrary"},
			{Package: "pkg/notify", Names: "TestQueueOutlivesPanic"},
		}},
		{2, "lists and answers that take the memory of all", []Tests{
			{Package: "pkg/rollout", Names: "TestLengths|TestMatchesMultiplied"},
			{Package: "pkg/outbound", Names: "TestAnswersAreBounded|TestLargeAnswersAreShared"},
		}},
		{3, "conditions that evict those of others", []Tests{
			{Package: "pkg/analysis", Names: "TestConditionsOfTenants|TestConditionsAreCompiledApart"},
		}},
		{4, "a status that is too large to be stored", []Tests{
			{Package: "pkg/rollout", Names: "TestStatusFits|TestDecisionsFit|TestMessagesOfConditionsAreCut"},
		}},
	}
}

// onWorkers are those that would keep it busy.
func onWorkers() []Attack {
	return []Attack{
		{5, "a kind that the operator may not list", []Tests{
			{Package: "pkg/controller", Names: "TestRoutesMayNotBeListed", Full: true},
		}},
		{6, "hooks and queries that hang", []Tests{
			{Package: "pkg/analysis", Names: "TestPoolIsFair|TestPoolTakesTurns|TestJobHoldsNoSlot"},
			{Package: "pkg/rollout", Names: "TestShortenedHooks"},
			{Package: "pkg/controller", Names: "TestHangingHooksDelayNoOtherNamespace|TestCallsAreBrokenOff", Full: true},
		}},
		{7, "receivers of alerts and events that hang", []Tests{
			{Package: "pkg/notify", Names: "TestQueueIsFair|TestQueueHoldsNothingWhileItWaits|TestQueueHasADeadline"},
		}},
		{8, "all checks at once after a restart, and a host that is kept busy", []Tests{
			{Package: "pkg/analysis", Names: "TestStartIsSpread"},
			{Package: "pkg/outbound", Names: "TestHostsAreShared"},
		}},
		{9, "an event that is lost", []Tests{
			{Package: "pkg/controller", Names: "TestSafetyLook", Full: true},
		}},
	}
}

// onAuthority are those that would use its rights.
func onAuthority() []Attack {
	return []Attack{
		{10, "the operator's own credentials", []Tests{
			{Package: "pkg/metric", Names: "TestOperatorsCredentialsReachTheVendorOnly"},
		}},
		{11, "requests to what trusts the machine, and their answers", []Tests{
			{Package: "pkg/outbound", Names: "TestAddresses|TestDials|TestProxiesOfTenants"},
			{Package: "pkg/analysis", Names: "TestAddressesOfTenants"},
			{Package: "pkg/metric", Names: "TestAnswersAreNotQuoted"},
		}},
		{12, "routes for other people's hosts", []Tests{
			{Package: "pkg/router", Names: "TestServiceHost|TestListed|TestClaims|TestHostsAreClaimed"},
			{Package: "pkg/observe", Names: "TestHosts"},
			{Package: "pkg/controller", Names: "TestHostsOfOthersAreRefused|TestHostsAreListed|TestNamespacesMayNotBeRead", Full: true},
		}},
		{13, "objects and series of other namespaces", []Tests{
			{Package: "pkg/metric", Names: "TestQueriesOfOtherNamespaces"},
			{Package: "pkg/analysis", Names: "TestForeignTemplates"},
		}},
		{14, "pods with more rights than their author", []Tests{
			{Package: "pkg/metric", Names: "TestJobsAreRestricted"},
			{Package: "pkg/controller", Names: "TestRightToSecrets|TestSecretsMayNotBeRead|TestRightsOfManyTenants", Full: true},
		}},
		{15, "commands in the load tester of others", []Tests{
			{Package: "pkg/loadtest", Names: "TestToken|TestCommandsAreNotLoggedWhole"},
		}},
		{16, "secrets in texts that people see", []Tests{
			{Package: "pkg/outbound", Names: "TestHide|TestHideError"},
			{Package: "pkg/analysis", Names: "TestEveryTextIsHidden|TestHookNeverTellsSecrets"},
		}},
	}
}
