/** A process of a cluster, as a run sees it. */
import { ConfigError } from '../../base/errors'
import { type Config, validateConfig } from '../../makemoe/config'
import { SparseMoELanguageModel } from '../../makemoe/model/language-model'
import type { Worker } from '../worker'
import { checkShares, type Member, type Parallelism } from './member'
import { asClusterError, compareFacts, joinCluster } from './membership'
import { ClusterTeam, shareOfDataset, shareOfStreams } from './team'

/**
 * Joins the other processes; before any variable is made.
 * @param version of the code, which must be the same in all
 * @param config absent for a run that is resumed
 * @throws ConfigError, ClusterError
 */
export async function joinWorkers(member: Member, parallel: Parallelism, version: string, config?: Config): Promise<Worker> {
  const { hosts, index } = member
  if (config) checkShares(config, hosts.length, parallel)
  await joinCluster(member)
  return {
    leads: index === 0,
    asError: (error) => asClusterError(error, member),
    share({ model, dataset, streams, facts, ...whole }) {
      const config = validateConfig(whole.config)
      if (!(model instanceof SparseMoELanguageModel)) throw new ConfigError("workers: got a model of your own, expected lib's")
      checkShares(config, hosts.length, parallel, model)
      const fields = Object.entries(config).map(([name, value]) => [name, String(value)])
      compareFacts(member, { parallel, version, ...facts, ...Object.fromEntries(fields) })
      const rows = config.batchSize / hosts.length
      if (index === 0)
        console.log(
          `${hosts.length} workers, --parallel ${parallel}: ${config.batchSize} sequences a step in total, ${rows} in each worker`,
        )
      return {
        team: new ClusterTeam(model, member, parallel),
        dataset: shareOfDataset(dataset, member),
        streams: shareOfStreams(streams, member, rows * config.blockSize),
      }
    },
  }
}
