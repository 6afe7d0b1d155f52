// A file whose tests wait for programs one after the other keeps its process busy; vitest must hear from it now and then.
import { afterEach } from 'vitest'

afterEach(() => new Promise((resolve) => setTimeout(resolve, 0)))
