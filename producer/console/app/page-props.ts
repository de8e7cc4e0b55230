export interface PageProps {
  /** The part of the path that identifies the subject. */
  id: string;
}
