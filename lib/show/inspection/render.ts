/**
 * The page of an inspection: one HTML file that opens offline, in light and dark, and on a phone. It runs no script: which layer is shown
 * is a choice among radio buttons that the style sheet looks at.
 */
import { join } from 'node:path'
import { escaped } from '../escaped'
import { allowed, readSource, theme } from '../page/source'
import type { Inspection } from './contents'
import { heatSteps } from './html'
import { characters, classes, coActivation, layerPicker, text } from './layer-sections'
import { facts, knockOuts, load, routers, saturation } from './model-sections'

const ownStyle = join(__dirname, '../../../show/inspection/inspection.css')

/** The style's rules for each layer and expert. */
function rules({ layers, model }: Inspection): string {
  const shown = layers.map(({ layer }) => `body:has(#layer-${layer}:checked) .layer-${layer}`)
  const hues = Array.from({ length: model.numExperts }, (_, expert) => {
    const hue = Math.round(25 + (360 * expert) / model.numExperts)
    return `.e${expert} { --hue: ${hue}; --shade: ${expert % 2} }`
  })
  const heats = Array.from({ length: heatSteps + 1 }, (_, step) => `.h${step} { --heat: ${((100 * step) / heatSteps).toFixed(0)}% }`)
  return [`${shown.join(',\n')} { display: block }`, ...hues, ...heats].join('\n')
}

/** @param title for the window and the heading */
export function renderInspection(inspection: Inspection, title: string): string {
  const style = [theme(), readSource(ownStyle), rules(inspection)].join('\n')
  const coActive = inspection.model.topK > 1 ? coActivation(inspection) : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src ${allowed(style)}; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
${facts(inspection)}
</header>
<main>
<div class="columns">
${load(inspection)}
${knockOuts(inspection)}
</div>
${routers(inspection)}
${saturation(inspection)}
${layerPicker(inspection)}
<div class="columns">
${text(inspection)}
<div>
${classes(inspection)}
${coActive}
</div>
</div>
${characters(inspection)}
</main>
</body>
</html>
`
}
