/** The model file that the tests' repositories and workers are made from. */
export default ({ nn }) => new nn.Linear(2, 1);
export const example = ({ zeros }) => zeros(1, 2);
