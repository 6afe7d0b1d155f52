/** Processes of a run's workers, by the number of the worker. */
export function workersOf(run: string): Map<number, number>
