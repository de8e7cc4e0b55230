export interface CheckListProps<Option extends string> {
  title: string;
  options: readonly Option[];
  chosen: readonly Option[];
  onChange(chosen: Option[]): void;
}

/** Chooses some of a few options. */
export function CheckList<Option extends string>(props: CheckListProps<Option>) {
  const { title, options, chosen, onChange } = props;
  return (
    <fieldset class="scopes">
      <legend>{title}</legend>
      {options.map((option) => (
        <label key={option} class="check">
          <input
            type="checkbox"
            checked={chosen.includes(option)}
            onChange={({ currentTarget: { checked } }) =>
              onChange(checked ? [...chosen, option] : chosen.filter((one) => one !== option))
            }
          />
          <code>{option}</code>
        </label>
      ))}
    </fieldset>
  );
}
