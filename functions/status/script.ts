/**
 * Shows how far runs are, every few seconds while somebody looks, and keeps a form from being sent twice. The page says all
 * the rest without it. What it writes is not announced to screen readers.
 */
export const script = `
const places=[...document.querySelectorAll('[data-live]')];
async function look(place){
  if(document.hidden||place.dataset.over)return;
  const answer=await fetch(place.dataset.live,{headers:{accept:'application/json'}}).catch(()=>undefined);
  if(!answer?.ok)return;
  const {status,progress}=await answer.json();
  place.dataset.over=status==='running'||status==='continued'?'':'yes';
  place.textContent=place.dataset.over?'It has ended: '+status+'. Reload the page to see more.':progress;
}
if(places.length>0){
  const lookAtAll=()=>places.forEach(look);
  lookAtAll();
  setInterval(lookAtAll,5000);
}
document.addEventListener('submit',({target})=>{
  const button=target.querySelector('button');
  if(button&&button.dataset.busy){button.textContent=button.dataset.busy;setTimeout(()=>{button.disabled=true})}
});
addEventListener('pageshow',({persisted})=>{if(persisted)location.reload()});
`;
