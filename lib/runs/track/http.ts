/** One HTTP request whose time limit counts only time without progress: a large file on a slow line takes as long as it takes. */
import { createReadStream, type PathLike } from 'node:fs'
import { type ClientRequest, request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'

export interface HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** A text, or a file of this many bytes that is read as it is sent. */
  readonly body?: string | { readonly file: PathLike; readonly bytes: number } | undefined
  /** How long nothing may be sent or received, in milliseconds. */
  readonly idleMs: number
  /** Longer answers are an error. */
  readonly answerLimit: number
  /** Called when bytes were sent or received. */
  readonly onProgress?: (() => void) | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

/**
 * Sends a request. Redirects are answers like any other.
 * @throws Error if the server is not reached, stays silent for `idleMs` or answers with more than `answerLimit` bytes
 */
export function send({ method, url, headers, body, idleMs, answerLimit, onProgress }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.bytes
    const request: ClientRequest = (url.startsWith('https:') ? secureRequest : plainRequest)(url, {
      method,
      headers: { ...headers, 'Content-Length': length },
      agent: false, // a server closes a connection that was kept just when it is used again
      timeout: idleMs, // of the socket, which is alive while bytes of a large body leave it
    })
    const fail = (error: Error): void => {
      request.destroy()
      reject(error)
    }
    request.on('timeout', () => fail(new Error(`nothing was sent or received for ${idleMs / 1000} s`)))
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        onProgress?.()
        size += chunk.length
        chunks.push(chunk)
        if (size > answerLimit) fail(new Error(`its answer is longer than ${answerLimit} bytes`))
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }))
    })
    if (typeof body !== 'object') request.end(body)
    else
      createReadStream(body.file)
        .on('error', fail)
        .on('data', () => onProgress?.())
        .pipe(request)
  })
}
