/**
 * Errors that a user can cause. Each says what was got and what was expected; the commands print it as one line and exit with status 2.
 */

/** Base class: the input is wrong, not the program. */
export class MakemoeError extends Error {
  override name = 'MakemoeError'
}

/** A config value, or a combination of them, that cannot work. */
export class ConfigError extends MakemoeError {
  override name = 'ConfigError'
}

/** A text that cannot be read, or is too short, or a character outside the vocabulary. */
export class TextError extends MakemoeError {
  override name = 'TextError'
}

/** Tensors whose shapes do not fit each other. */
export class ShapeError extends MakemoeError {
  override name = 'ShapeError'
}

/** A tensor that cannot be used: it was disposed of or never made, or its values do not fit its shape and type. */
export class TensorError extends MakemoeError {
  override name = 'TensorError'
}

/** A checkpoint that is damaged, foreign, or of another model. */
export class CheckpointError extends MakemoeError {
  override name = 'CheckpointError'
}

/** A function that cannot become a graph: says the op, the reason and the caller's line. */
export class TraceError extends MakemoeError {
  override name = 'TraceError'
}

/** A run that cannot continue: its loss is not finite. */
export class TrainingError extends MakemoeError {
  override name = 'TrainingError'
}

/** A run folder that cannot be used: another process has it, it cannot be written to, or it holds another run. */
export class RunError extends MakemoeError {
  override name = 'RunError'
}

/** Processes that train together and have lost each other, or never met: says which worker, and why. */
export class ClusterError extends MakemoeError {
  override name = 'ClusterError'
}

/** A setup step that failed, and what to do about it. */
export class SetupError extends MakemoeError {
  override name = 'SetupError'
  constructor(
    problem: string,
    readonly remedy: string,
  ) {
    super(problem)
  }
}
