import { EXIT_STATUS, StartupError } from '../errors.ts';

interface ReportHeader {
  readonly glibcVersionRuntime?: string;
}

/** Only glibc shows its version in Node's report; looking up network names for the report would take its time. */
function hasGlibc(): boolean {
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  report.excludeNetwork = true;
  const { header } = report.getReport() as { readonly header?: ReportHeader };
  return header?.glibcVersionRuntime !== undefined;
}

/** @throws StartupError anywhere but on Linux x86_64 with glibc: the guard knows no other signals, registers and loader. */
export function requirePlatform(platform: string = process.platform, arch: string = process.arch): void {
  if (platform === 'linux' && arch === 'x64' && hasGlibc()) return;
  const here = `${platform} ${arch}${platform === 'linux' && arch === 'x64' ? ' without glibc' : ''}`;
  throw new StartupError(
    `Rust Edge Gateway runs on Linux x86_64 with glibc; this is ${here}. A Debian or Ubuntu container does.`,
    EXIT_STATUS.osError,
  );
}
