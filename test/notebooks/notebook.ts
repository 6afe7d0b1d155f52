/** A Jupyter notebook's file (nbformat 4): what this project reads and writes of it. */

/** What a cell shows: a bundle of the same content in several MIME types, or printed text. */
export interface Output {
  output_type: string
  name?: string
  text?: string | string[]
  data?: Record<string, unknown>
  metadata?: Record<string, unknown>
}

export interface Cell {
  cell_type: string
  source: string | string[]
  metadata: Record<string, unknown>
  outputs?: Output[]
  execution_count?: number | null
}

export interface Notebook {
  cells: Cell[]
}

/** The MIME type of an interactive figure. */
export const plotlyType = 'application/vnd.plotly.v1+json'

/** nbformat holds a text as one string or as its lines. */
export const joined = (text: unknown): string => (Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : '')

/** All outputs, in order. */
export const outputsOf = (notebook: Notebook): Output[] => notebook.cells.flatMap(({ outputs = [] }) => outputs)

/** A figure's title. */
export function titleOf({ data }: Output): string | undefined {
  const figure = data?.[plotlyType] as { layout?: { title?: { text?: string } } } | undefined
  return figure?.layout?.title?.text
}
