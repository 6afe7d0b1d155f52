/** The MLflow server that the environment names, and what a person may have pasted there. */
import { ConfigError } from '../../base/errors'

/** Where runs are sent. */
export interface MlflowServer {
  /** Without credentials. */
  readonly address: string
  readonly experiment: string
  /** The Authorization header, if any. */
  readonly authorization?: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The server that the environment names: MLFLOW_TRACKING_URI with MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD;
 * `databricks` with DATABRICKS_HOST and DATABRICKS_TOKEN. MLFLOW_EXPERIMENT_NAME names the experiment.
 * @throws ConfigError if something is missing or no http address
 */
export function mlflowServer(env: Environment = process.env, uri: string | undefined = env.MLFLOW_TRACKING_URI): MlflowServer {
  if (uri === undefined || uri.trim() === '')
    throw new ConfigError('MLFLOW_TRACKING_URI: got nothing, expected http://host:port, https://host or databricks')
  const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  if (uri === 'databricks' || uri.startsWith('databricks://')) {
    const { DATABRICKS_HOST: host, DATABRICKS_TOKEN: token, MLFLOW_EXPERIMENT_NAME: experiment } = env
    if (!host || !token) throw new ConfigError('databricks: expected DATABRICKS_HOST and DATABRICKS_TOKEN in the environment')
    if (!experiment?.startsWith('/'))
      throw new ConfigError(`MLFLOW_EXPERIMENT_NAME: got ${experiment ?? 'nothing'}, expected an absolute path, which Databricks demands`)
    const { address } = httpAddress('DATABRICKS_HOST', host.includes('://') ? host : `https://${host}`)
    return { address, experiment, authorization: bearer('DATABRICKS_TOKEN', token) }
  }
  const { address, user, password } = httpAddress('MLFLOW_TRACKING_URI', uri)
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: name = user, MLFLOW_TRACKING_PASSWORD: secret = password } = env
  const authorization = token ? bearer('MLFLOW_TRACKING_TOKEN', token) : name ? basic(name, secret) : undefined
  return { address, experiment: env.MLFLOW_EXPERIMENT_NAME || 'makeMoE', authorization }
}

/** @throws ConfigError if no HTTP header can hold the token */
function bearer(variable: string, pasted: string): string {
  const token = pasted.trim()
  const wrong = token.search(/[^!-~]/)
  if (wrong >= 0)
    throw new ConfigError(
      `${variable}: got a character at position ${wrong} that no token has, a curly quote or a space perhaps (the token is not shown)`,
    )
  return `Bearer ${token}`
}

/**
 * An address as people copy it, from a browser too: what follows `?` or `#` names a page of MLflow's and is left out.
 * @throws ConfigError if it is none
 */
function httpAddress(variable: string, uri: string): { address: string; user: string; password: string } {
  const wrong = (): ConfigError =>
    new ConfigError(
      `${variable}: expected http://host:port, https://host or databricks, without quotes (what was got is not shown: it may hold a password)`,
    )
  const parsed = URL.canParse(uri.trim()) ? new URL(uri.trim()) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw wrong()
  try {
    const [user, password] = [decodeURIComponent(parsed.username), decodeURIComponent(parsed.password)]
    Object.assign(parsed, { username: '', password: '', search: '', hash: '' })
    return { address: parsed.href.replace(/\/+$/, ''), user, password }
  } catch {
    throw wrong() // a per cent sign that begins no character
  }
}
