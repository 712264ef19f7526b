/** A test takes the blocks that `owners.ts` says are its own; what it leaves is an error. */
import { type Block, blocksOf, readPage } from "../support/pages.ts";
import { OWNERS } from "./owners.ts";

export function ownerOf(page: string, section: string): string | undefined {
  const owners = OWNERS[page];
  return owners?.[section] ?? owners?.["*"];
}

export class OwnBlocks {
  readonly #test: string;
  readonly #left = new Set<string>();
  readonly #pages = new Map<string, readonly Block[]>();

  private constructor(test: string) {
    this.#test = test;
  }

  /** @param test path of the test's file, as in `owners.ts` */
  static async of(test: string): Promise<OwnBlocks> {
    const own = new OwnBlocks(test);
    for (const [page, owners] of Object.entries(OWNERS)) {
      if (!Object.values(owners).includes(test)) continue;
      const blocks = blocksOf(await readPage(page)).filter(({ section }) => ownerOf(page, section) === test);
      own.#pages.set(page, blocks);
      for (const { line } of blocks) own.#left.add(`${page}:${line}`);
    }
    return own;
  }

  /** Of a page, or of one section of it, in their order. @throws where there is none */
  take(page: string, section?: string): readonly Block[] {
    const blocks = this.#pages.get(page)?.filter((block) => section === undefined || block.section === section) ?? [];
    if (blocks.length === 0) throw new Error(`${this.#test} has no block of ${page} ${section ?? ""}`);
    for (const { line } of blocks) this.#left.delete(`${page}:${line}`);
    return blocks;
  }

  /** `PAGE:LINE` of those that nobody took. */
  get left(): readonly string[] {
    return [...this.#left];
  }
}
