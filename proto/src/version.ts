/** Version of this project, in heartbeats and `--version --verbose`. */
export const VERSION = "0.1.0";
/** The Circus whose protocol and texts we speak: what `circusctl --version` has to print for Salt (reference §10.1). */
export const CIRCUS_VERSION = "0.19.0";
