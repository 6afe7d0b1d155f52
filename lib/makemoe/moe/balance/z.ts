/**
 * The router z-loss (Zoph et al. 2022, ST-MoE, section 3.3, eq. 5): L = mean over tokens of (log sum_e exp logits_e)^2. It balances nothing;
 * it keeps the logits small, where rounding hurts least. The paper's weight is 0.001.
 */
import { tf } from '../../../engine/tensor/tf'
import type { BalancingLoss } from '../contracts'

export const zLoss: BalancingLoss = ({ logits }) => tf.mean(tf.square(tf.logSumExp(logits, -1)))
