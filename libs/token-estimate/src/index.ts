export { ESTIMATED_HEADER, inputTokensAnswer } from './input-tokens-answer.js';
export { EstimateUnavailableError, TokenEstimator } from './token-estimator.js';
export { TokenEstimateModule } from './token-estimate.module.js';
