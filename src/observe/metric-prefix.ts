export const METRIC_PREFIX = 'rust_edge_gateway_';
