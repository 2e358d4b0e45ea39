export { BodiesModule } from './bodies.module.js';
export { type BodyCapture } from './body-capture.js';
export { BodyErasures, type BodyErasureSubject } from './body-erasures.js';
export { BodyKeyBox, rewrapBodyKeys } from './body-keys.js';
export { BodyLog } from './body-log.js';
export { type BodyAbsence, BodySearch, type ReadBodies, type ReadBody } from './body-search.js';
