// What the server answers with. pkg/view and pkg/console are the other side of it.

export type State = 'Healthy' | 'Progressing' | 'Paused' | 'Degraded' | 'Stopped' | 'Unknown';

export interface Me {
  user?: string;
  groups?: string[];
  mode: 'token' | 'oidc' | 'proxy' | 'local';
  login?: string;
  version?: string;
  cluster?: string;
  policies?: boolean;
  error?: string;
}

export interface Waiting { reason: string; for: string; since: string; person: boolean }
export interface Step { number: number; of: number; name?: string }
export interface Point { at: string; weight: number; step: number }
export interface Action {
  id?: string; verb: string; by?: string; reason?: string; at: string; step?: number; result?: string; message?: string;
}
export interface Run {
  number: number; revision: string; images?: string; from?: string; attempt?: number; started: string; finished?: string;
  outcome?: string; cause?: string; track?: Point[]; actions?: Action[];
}
export interface RunSummary {
  number: number; revision: string; images?: string; outcome: string; by?: string; reason?: string; started: string; finished: string;
}
export interface Metric { name: string; value?: string; limit?: string; verdict: string; message?: string }
export interface Checks { failed: number; threshold: number; last?: string; metrics?: Metric[] }

export interface Row {
  namespace: string; name: string; created: string; state: State; phase: string; problem?: string; waiting?: Waiting; step: Step;
  weight: number; actual?: number; checks: Checks; run?: Run; can: Record<string, boolean>;
}

export interface List {
  items: Row[]; continue?: string; total: number; namespaces: string[];
  counts: { waiting: number; failed: number; underway: number; all: number };
}

export interface PlannedStep {
  number: number; name?: string; weight: number; mirror?: boolean; duration?: string; pause?: string; scale?: string; metrics?: string[];
  bake?: boolean; event?: string;
}
export interface Measured { at: string; value: number | null; text?: string; verdict: string }
export interface Series {
  name: string; provider?: string; query?: string; limit?: string; verdict: string; message?: string; checks?: number; failures?: number;
  evidence?: { against?: string; for?: string; needed?: string }; points: Measured[];
}
export interface Named { kind: string; name: string }

export interface Detail extends Row {
  matched?: boolean; action?: Action; runs?: RunSummary[]; plan: PlannedStep[]; series: Series[]; stepUntil?: string; interval: string;
  provider: string; target: Named; service?: string; suspended: boolean; held?: { by?: string; since: string; reason?: string }; now: string;
  routes: Named[]; allowed: Record<string, string>;
  about?: { revision: string; step: number }; // that an action is about
}

export interface RunDetail {
  namespace: string; name: string; run: Run; plan: PlannedStep[]; series: Series[]; interval?: string; provider?: string;
}

export interface Node {
  kind: string; name: string; state?: State; status?: string; created?: string; info?: string[]; children?: Node[];
}
export interface Pods { tree: Node; unread: string[] }
export interface Event { at: string; type: string; reason: string; message: string; count: number }
