-- The health of a SelfAlignmentRun for Argo CD, which has none for a kind that it does not know.
-- Put it into the ConfigMap argocd-cm as resource.customizations.health.isheep.dev_SelfAlignmentRun.
local function message(condition)
  local text = condition.reason or ""
  if condition.message ~= nil and condition.message ~= "" then
    text = text .. ": " .. condition.message
  end
  return text
end

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "The run is being deleted." }
end

local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "The operator has not seen this generation of the run yet." }
end

local found = {}
for _, condition in ipairs(status.conditions) do
  if condition.status == "True" then
    found[condition.type] = condition
  end
end

if found.Failed ~= nil then
  return { status = "Degraded", message = message(found.Failed) }
end
if found.Stalled ~= nil then
  return { status = "Degraded", message = message(found.Stalled) }
end
if found.Suspended ~= nil then
  return { status = "Suspended", message = message(found.Suspended) }
end
if found.Complete ~= nil then
  return { status = "Healthy", message = message(found.Complete) }
end
local progress = found.Reconciling and message(found.Reconciling) or ""
if status.progress ~= nil then
  progress = status.progress .. " " .. progress
end
return { status = "Progressing", message = progress }
